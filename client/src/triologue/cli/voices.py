"""Files of known speakers, as parameters."""

from pathlib import Path
from typing import Any

import typer

from triologue.cli.reports import one_line
from triologue.schema import InvalidOption, KnownSpeaker
from triologue.voices import read_voices


def with_voices(fields: dict[str, Any]) -> dict[str, Any]:
    """Read the file of known speakers, where a path was given and not JSON.

    Raises:
        typer.BadParameter: There is no such file, or it holds something else.
    """
    given = fields.get("known_speakers")
    if given is None or given.lstrip().startswith(("[", "{")):
        return fields
    return fields | {"known_speakers": voices_in(Path(given), "--known-speakers")}


def voices_in(path: Path, hint: str) -> tuple[KnownSpeaker, ...]:
    """Read a file of known speakers for the parameter `hint`.

    Raises:
        typer.BadParameter: There is no such file, or it holds something else.
    """
    try:
        return read_voices(path)
    except InvalidOption as error:
        raise typer.BadParameter(one_line(error.message), param_hint=hint) from None
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint=hint) from None
