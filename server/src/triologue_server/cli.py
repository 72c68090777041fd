"""The command line: `triologue-server serve`, `triologue-server tune`, `triologue-server models`."""

import os
import platform
import shutil
import time
from typing import Annotated

import typer

from triologue_server.flags import (
    ComputeType,
    Diarization,
    Models,
    Whisper,
    change,
    console,
    explain,
    fail,
    to_variable,
    to_variables,
)
from triologue_server.settings import Settings
from triologue_server.store import (
    Artifact,
    Model,
    ModelStore,
    State,
    StoreError,
    check_contents,
    resolve_diarization,
    resolve_whisper,
)
from triologue_server.store.cli import models_app
from triologue_server.store.display import shown_progress
from triologue_server.triton import serving
from triologue_server.triton.devices import check_devices
from triologue_server.triton.installation import locate_triton
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.log import Log, log_for
from triologue_server.triton.ports import PORTS
from triologue_server.triton.repository import find_repository, model_names
from triologue_server.triton.shared_memory import check_shared_memory
from triologue_server.tuning.command import tune_command

app = typer.Typer(
    help="Triologue's server: diarized transcripts on NVIDIA Triton.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(models_app, name="models")
app.command("tune")(tune_command)

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
LogLevel = Annotated[str | None, typer.Option(help="error, warning, info or verbose.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads of Whisper; 0 means one for every core.")]
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
        os.environ.update(to_variables(flags | dict(map(change, changes or ()))))
        if command:
            for name in PORTS:
                os.environ.setdefault(to_variable(name), "0")
        settings = Settings()
    except ValueError as error:
        fail(*explain(error), status=2)
    if command and not shutil.which(command[0]):
        fail(f"there is no command {command[0]}", status=127)
    log = log_for(settings.log_format, console)
    try:
        log.tell(f"Triton at {locate_triton()}, Python {platform.python_version()}")
        served = set(model_names(find_repository(settings)))
        check_devices(settings, served)
        if warning := check_shared_memory(settings):
            log.tell(f"warning: {warning}")
        _check_models(settings, served, log, fetch=fetch)
        status = serving.serve(settings, command or [], console, log)
    except (LaunchError, StoreError, OSError) as error:
        log.tell(f"error: {error}")
        status = 1
    raise typer.Exit(status)


def _check_models(settings: Settings, served: set[str], log: Log, *, fetch: bool) -> None:
    """Verify the weights of the models that will be served.

    Raises:
        LaunchError: Some are missing, or not complete.
        StoreError: They cannot be fetched.
    """
    started = time.monotonic()
    store = ModelStore(settings.models)
    needed = _needed(settings, served)
    wrong = {model: _wrong(store, model) for model in needed.values()}
    incomplete = [model for model, files in wrong.items() if files]
    if incomplete and not fetch:
        details = "\n".join(f"  {_name(model)}: {wrong[model]}" for model in incomplete)
        names = " ".join(map(_name, incomplete))
        raise LaunchError(
            f"not in {settings.models}, or not complete there:\n{details}\n"
            f"run `triologue-server models fetch {names} --models {settings.models}`, or serve with --fetch"
        )
    for model in incomplete:
        with shown_progress(console) as progress:
            store.fetch(model, progress)
    for kind, model in needed.items():
        check_contents(kind, store.path(model))
    if needed:
        names = ", ".join(map(_described, needed.values()))
        log.tell(f"models verified in {time.monotonic() - started:.1f} s: {names}")


def _needed(settings: Settings, served: set[str]) -> dict[str, Model]:
    needed: dict[str, Model] = {}
    if "whisper" in served:
        needed["whisper"] = resolve_whisper(settings.whisper.model)
    if served & {"pyannote_segmentation", "speaker_embedding"}:
        needed["diarization"] = resolve_diarization(settings.diarization.pipeline)
    return needed


def _wrong(store: ModelStore, model: Model) -> str:
    """Return what is wrong with the files of a model, or nothing."""
    files = [file for file in store.verify(model) if file.state is not State.PRESENT]
    return ", ".join(f"{file.name} is {file.state.value}" for file in files)


def _described(model: Model) -> str:
    return model.name if isinstance(model, Artifact) else f"{model} (a folder, which has no checksums)"


def _name(model: Model) -> str:
    return model.name if isinstance(model, Artifact) else str(model)
