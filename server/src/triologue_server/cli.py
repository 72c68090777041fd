"""The command line: `triologue-server serve`, `triologue-server models`."""

import os
import platform
import shutil
import time
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from triologue_server.settings import ENV_DELIMITER, ENV_PREFIX, Settings
from triologue_server.store import (
    Artifact,
    Model,
    ModelStore,
    State,
    StoreError,
    resolve_diarization,
    resolve_whisper,
)
from triologue_server.store.cli import models_app
from triologue_server.store.display import shown_progress
from triologue_server.triton import serving
from triologue_server.triton.devices import check_devices
from triologue_server.triton.installation import locate_triton
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.ports import PORTS
from triologue_server.triton.repository import find_repository, model_names

app = typer.Typer(
    help="Triologue's server: diarized transcripts on NVIDIA Triton.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(models_app, name="models")

console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

Command = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[--] COMMAND",
        help="Keep the server up while this runs, with its address in TRIOLOGUE_URL; the exit status is the "
        "command's. Ports that are not given are any free ones then.",
    ),
]
Profile = Annotated[str | None, typer.Option(help="embedded, gpu, or a TOML file.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
HttpPort = Annotated[int | None, typer.Option(help="Port of HTTP; 0 picks a free one, here and below.")]
GrpcPort = Annotated[int | None, typer.Option(help="Port of gRPC.")]
MetricsPort = Annotated[int | None, typer.Option(help="Port of the Prometheus metrics.")]
Models = Annotated[str | None, typer.Option(help="Folder of the models.")]
LogLevel = Annotated[str | None, typer.Option(help="error, warning, info or verbose.")]
Whisper = Annotated[str | None, typer.Option(help="Whisper model: a size, a Hugging Face id or a folder.")]
ComputeType = Annotated[str | None, typer.Option(help="Number format of Whisper, such as int8 or float16.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads of Whisper; 0 means one for every core.")]
Diarization = Annotated[
    str | None, typer.Option(help="Diarization pipeline: embedded, a Hugging Face id or a folder.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, such as limits.audio_hours=2."),
]
Fetch = Annotated[bool, typer.Option("--fetch", help="Fetch the models that are missing.")]


# Options behind COMMAND are its own.
@app.command(context_settings={"allow_interspersed_args": False})
def serve(
    command: Command = None,
    profile: Profile = None,
    host: Host = None,
    http_port: HttpPort = None,
    grpc_port: GrpcPort = None,
    metrics_port: MetricsPort = None,
    models: Models = None,
    log_level: LogLevel = None,
    whisper: Whisper = None,
    compute_type: ComputeType = None,
    threads: Threads = None,
    diarization: Diarization = None,
    changes: Changes = None,
    fetch: Fetch = False,
) -> None:
    """Serve until interrupted, or while COMMAND runs."""
    flags = {
        "profile": profile,
        "host": host,
        "http_port": http_port,
        "grpc_port": grpc_port,
        "metrics_port": metrics_port,
        "models": models,
        "log_level": log_level,
        "whisper.model": whisper,
        "whisper.compute_type": compute_type,
        "whisper.threads": threads,
        "diarization.pipeline": diarization,
    }
    try:
        os.environ.update(to_variables(flags | dict(map(_change, changes or ()))))
        if command:
            for name in PORTS:
                os.environ.setdefault(to_variable(name), "0")
        settings = Settings()
    except ValueError as error:
        _fail(*explain(error), status=2)
    if command and not shutil.which(command[0]):
        _fail(f"there is no command {command[0]}", status=127)
    try:
        console.print(f"Triton at {locate_triton()}, Python {platform.python_version()}")
        served = set(model_names(find_repository(settings)))
        check_devices(settings, served)
        _check_models(settings, served, fetch=fetch)
        status = serving.serve(settings, command or [], console)
    except (LaunchError, StoreError, OSError) as error:
        _fail(str(error))
    raise typer.Exit(status)


def to_variable(key: str) -> str:
    """Return the environment variable of a setting, such as `limits.audio_hours`."""
    return ENV_PREFIX + key.upper().replace(".", ENV_DELIMITER)


def to_variables(flags: Mapping[str, Any]) -> dict[str, str]:
    """Turn flags by the key of their setting, None where not given, into environment variables.

    Raises:
        ValueError: There is no such setting.
    """
    given = {key: str(value) for key, value in flags.items() if value is not None}
    for key in given:
        # Settings() checks deeper keys; at the top it does not look at variables that are none of its own.
        if key.split(".")[0] not in Settings.model_fields:
            raise ValueError(f"{key}: there is no such setting, only {', '.join(Settings.model_fields)}")
    return {to_variable(key): value for key, value in given.items()}


def explain(error: ValueError) -> list[str]:
    """Return what is wrong with the settings, one line a field."""
    if not isinstance(error, ValidationError):
        return [str(error)]
    return [
        f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
        + ("" if isinstance(detail["input"], dict) else f", not {detail['input']!r}")
        for detail in error.errors(include_url=False)
    ]


def _change(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"--set {text}: it must read KEY=VALUE")
    return key, value


def _check_models(settings: Settings, served: set[str], *, fetch: bool) -> None:
    """Verify the weights of the models that will be served, and exit when some are missing."""
    started = time.monotonic()
    store = ModelStore(settings.models)
    needed = _needed(settings, served)
    missing = [model for model in needed if {file.state for file in store.verify(model)} != {State.PRESENT}]
    if missing and not fetch:
        names = " ".join(map(_name, missing))
        _fail(
            f"not in {settings.models}, or not complete there: {names}\n"
            f"run `triologue-server models fetch {names} --models {settings.models}`, or serve with --fetch"
        )
    for model in missing:
        with shown_progress(console) as progress:
            store.fetch(model, progress)
    if needed:
        names = ", ".join(map(_name, needed))
        console.print(f"models verified in {time.monotonic() - started:.1f} s: {names}")


def _needed(settings: Settings, served: set[str]) -> list[Model]:
    needed: list[Model] = []
    if "whisper" in served:
        needed.append(resolve_whisper(settings.whisper.model))
    if served & {"pyannote_segmentation", "speaker_embedding"}:
        needed.append(resolve_diarization(settings.diarization.pipeline))
    return needed


def _name(model: Model) -> str:
    return model.name if isinstance(model, Artifact) else str(model)


def _fail(*messages: str, status: int = 1) -> NoReturn:
    for message in messages:
        console.print(f"error: {message}")
    raise typer.Exit(status)
