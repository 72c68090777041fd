"""The recordings that a command is given: files, folders of them, URLs, and standard input."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

import typer

from triologue.audio import Audio, is_url, name_of

HINT = "FILE"
STDIN = "-"

# What is taken out of a folder; a file that is named may be called anything.
MEDIA_SUFFIXES = frozenset(
    """
    .3gp .aac .ac3 .aif .aiff .amr .ape .au .avi .caf .flac .flv .m2ts .m4a .m4b .m4v .mka .mkv .mov .mp2
    .mp3 .mp4 .mpeg .mpg .mts .mxf .oga .ogg .ogv .opus .spx .ts .vob .wav .weba .webm .wma .wmv .wv
    """.split()
)


@dataclass(frozen=True, eq=False)
class Source:
    """A recording, and what it is called. One is equal to itself alone."""

    name: str
    """In messages: as it was given, without what may be a secret."""
    audio: Audio
    """What the client takes."""
    place: PurePath
    """Where its results go below a folder, without an ending."""
    path: Path | None = None
    """The file, when it is one."""
    is_found: bool = False
    """It was found in a folder, and not named."""


def sources_of(given: Sequence[str]) -> list[Source]:
    """Find the recordings, in the order they are given, those of a folder sorted by name.

    A file that is there twice, by its name and in a folder, is taken once.

    Raises:
        typer.BadParameter: There is no such file, or a folder holds none.
    """
    if given.count(STDIN) > 1:
        raise typer.BadParameter("standard input can be read but once", param_hint=HINT)
    try:
        found = [source for each in given for source in _sources(each)]
    except OSError as error:
        raise typer.BadParameter(f"{error.filename}: {error.strerror}", param_hint=HINT) from None
    once: dict[object, Source] = {}
    for source in found:
        once.setdefault(os.path.realpath(source.path) if source.path else source, source)
    return list(once.values())


def _sources(given: str) -> list[Source]:
    if given == STDIN:
        return [_stdin()]
    if is_url(given):
        return [_behind(given)]
    path = Path(given)
    if path.is_dir():
        return list(_found_in(path))
    path.stat()  # Raises what is wrong with it.
    return [Source(given, path, PurePath(path.stem), path)]


def _stdin() -> Source:
    if sys.stdin.isatty():
        raise typer.BadParameter("standard input is a terminal, and no recording", param_hint=HINT)
    # Without a buffer, whose lock would be held by a thread that waits for input when the program ends.
    binary = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    return Source("stdin", binary, PurePath("stdin"))


def _behind(url: str) -> Source:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise typer.BadParameter(f"this is no URL: {error}", param_hint=HINT) from None
    # What a URL says may be no name for a file.
    name = re.sub(r"[\x00-\x1f/\\]", "_", unquote(PurePath(parts.path).stem))
    return Source(name_of(url), url, PurePath(name.strip(".") or "recording"))


def _found_in(folder: Path) -> Iterator[Source]:
    found = sorted(_media(folder))
    if not found:
        raise typer.BadParameter(f"no recordings are in the folder {folder}", param_hint=HINT)
    for path in found:
        yield Source(str(path), path, path.relative_to(folder).with_suffix(""), path, is_found=True)


def _media(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and PurePath(name).suffix.lower() in MEDIA_SUFFIXES:
                yield Path(parent, name)
