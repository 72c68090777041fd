"""Where results go, settled before anything is sent: a result must not be lost."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import typer

from triologue.cli.sources import Source
from triologue.formats import FORMATS

HINT = "--output"
DEFAULT_FORMAT = "txt"

# Results can be told apart when they follow one another, since each says where it ends, or whose it is.
JOINED = {"json", "rttm", "ctm", "stm"}


class Target(NamedTuple):
    """One way a result is written down."""

    format: str
    """By name."""
    path: Path | None
    """The file, or `None` for standard output."""


def formats_of(given: Sequence[str], sources: Sequence[Source], output: str | None) -> list[str]:
    """Return the formats that were asked for: by name, or else by the ending of a file."""
    if given:
        return list(dict.fromkeys(given))
    if output is not None and not _is_folder(sources, given, output):
        ending = PurePath(output).suffix.lower()
        return [next((name for name, each in FORMATS.items() if each.suffix == ending), DEFAULT_FORMAT)]
    return [DEFAULT_FORMAT]


def targets_of(
    sources: Sequence[Source], formats: Sequence[str], output: str | None
) -> list[tuple[Target, ...]]:
    """Say where the results of each recording go, one for each format, and make the folders.

    Raises:
        typer.BadParameter: A result would have no place, or the place of another or of a recording.
    """
    if output is None:
        return _to_stdout(sources, formats)
    path = Path(output)
    if _is_folder(sources, formats, output):
        targets = _in_folder(sources, formats, path)
    else:
        needs_folder(path)
        targets = [(Target(formats[0], path),)]
    _keep_recordings(sources, targets)
    _make_folders(targets)
    return targets


def needs_folder(output: Path) -> None:
    """Refuse a path that no file can be written to.

    Raises:
        typer.BadParameter: Its folder does not exist.
    """
    if not output.absolute().parent.is_dir():
        raise _refused(f"the folder of {output} does not exist")


def _to_stdout(sources: Sequence[Source], formats: Sequence[str]) -> list[tuple[Target, ...]]:
    if len(formats) > 1:
        raise _refused("several formats need a folder")
    is_joined = formats[0] in JOINED or FORMATS[formats[0]].is_for_people
    if len(sources) > 1 and not is_joined:
        raise _refused("several recordings in this format need a folder")
    return [(Target(formats[0], None),)] * len(sources)


def _is_folder(sources: Sequence[Source], formats: Sequence[str], output: str) -> bool:
    several = len(sources) > 1 or len(formats) > 1 or any(source.is_found for source in sources)
    return several or Path(output).is_dir() or output.endswith(("/", os.sep))


def _in_folder(sources: Sequence[Source], formats: Sequence[str], folder: Path) -> list[tuple[Target, ...]]:
    if folder.exists() and not folder.is_dir():
        raise _refused(f"several results need a folder, {folder} is a file")
    taken: dict[Path, Source] = {}
    for source in sources:
        other = taken.setdefault(folder / source.place, source)
        if other is not source:
            raise _refused(f"{other.name} and {source.name} would be written to the same name")
    return [
        tuple(Target(name, folder / f"{source.place}{FORMATS[name].suffix}") for name in formats)
        for source in sources
    ]


def _keep_recordings(sources: Sequence[Source], targets: Sequence[tuple[Target, ...]]) -> None:
    recordings = {_identity(source.path) for source in sources if source.path is not None}
    for _, path in (target for each in targets for target in each):
        if path is not None and path.exists() and _identity(path) in recordings:
            raise _refused(f"{path} is a recording, and would be lost")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _make_folders(targets: Sequence[tuple[Target, ...]]) -> None:
    try:
        for _, path in (target for each in targets for target in each):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(f"{error.filename} cannot be made: {error.strerror}") from None


def _refused(why: str) -> typer.BadParameter:
    return typer.BadParameter(why, param_hint=HINT)
