"""What the commands share: flags that become settings, and messages of what is wrong with them."""

from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from triologue_server.settings import ENV_DELIMITER, ENV_PREFIX, Settings

console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

Models = Annotated[str | None, typer.Option(help="Folder of the models.")]
Whisper = Annotated[str | None, typer.Option(help="Whisper model: a size, a Hugging Face id or a folder.")]
ComputeType = Annotated[str | None, typer.Option(help="Number format of Whisper, such as int8 or float16.")]
Diarization = Annotated[
    str | None, typer.Option(help="Diarization pipeline: embedded, a Hugging Face id or a folder.")
]


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


def change(text: str) -> tuple[str, str]:
    """Divide the `KEY=VALUE` of a `--set`.

    Raises:
        ValueError: It is none.
    """
    key, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"--set {text}: it must read KEY=VALUE")
    return key, value


def fail(*messages: str, status: int = 1) -> NoReturn:
    """Say what went wrong, and exit."""
    for message in messages:
        console.print(f"error: {message}")
    raise typer.Exit(status)
