"""A manifest: the recordings of an archive, one a line of JSON or one a row of Parquet."""

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triologue.batch.errors import ManifestError
from triologue.batch.files import extra, file_system, is_path, reaching, shown
from triologue.batch.names import identity, is_safe, name_for

KEYS = ("audio", "id", "metadata", "options")
"""What a line may hold."""
_OBJECTS = ("metadata", "options")

# Rows of Parquet that are in memory at once.
_ROWS = 1024
# Lines that a refusal names, lest a manifest of a million tells of each.
_NAMED = 10


@dataclass(frozen=True)
class Entry:
    """A recording of a manifest, or what is wrong with its line."""

    line: int
    """Which line of the manifest, or row of Parquet, from 1."""
    id: str = ""
    """What its results are called; empty where the line cannot be read so far."""
    audio: str = ""
    """Its path or URL."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the pipeline for it alone."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What the line says besides, for whoever reads the summary."""
    wrong: str = ""
    """What is wrong with the line, if anything."""


class Manifest:
    """A manifest, read anew each time that its entries are gone through, and never held.

    Args:
        url: A path, or a URL that fsspec reaches, that ends in `.jsonl` or `.parquet`.

    Raises:
        ManifestError: Its name ends otherwise.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        """The manifest, as it was given."""
        bare = shown(url)
        self._is_parquet = bare.endswith(".parquet")
        if not self._is_parquet and not bare.endswith(".jsonl"):
            raise ManifestError(f"{bare}: a manifest ends in .jsonl or .parquet")

    def check(self) -> int:
        """Read all lines once, and return how many recordings there are. Nothing but ids is kept.

        Raises:
            ImportError: An extra is not installed.
            ManifestError: It cannot be read, or ids are not safe as file names or are there twice.
        """
        lines: dict[str, int] = {}
        problems: list[str] = []
        count = 0
        for entry in self.entries():
            count += 1
            if entry.id and not is_safe(entry.id):
                problems.append(f"line {entry.line}: the id {entry.id!r} is no safe name for a file")
            elif entry.id and (other := lines.setdefault(identity(entry.id), entry.line)) != entry.line:
                problems.append(f"lines {other} and {entry.line}: both have the id {entry.id!r}")
        if problems:
            more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
            raise ManifestError(f"{shown(self.url)}: {'; '.join(problems[:_NAMED])}{more}")
        return count

    def entries(self) -> Iterator[Entry]:
        """Go through the recordings. A line that is wrong is an entry that says so.

        Raises:
            ImportError: An extra is not installed.
            ManifestError: The manifest cannot be read.
        """
        try:
            for number, fields in self._rows() if self._is_parquet else self._lines():
                yield self._entry(number, fields)
        except (OSError, EOFError) as error:
            why = getattr(error, "strerror", None) or error
            raise ManifestError(f"{shown(self.url)} cannot be read: {why}") from error

    def _lines(self) -> Iterator[tuple[int, object]]:
        files, path = file_system(self.url)
        with reaching(self.url):
            file = files.open(path, "rb")
        with file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _parsed(line)

    def _rows(self) -> Iterator[tuple[int, object]]:
        with extra("batch"):
            from pyarrow.parquet import ParquetFile
        files, path = file_system(self.url)
        with reaching(self.url):
            file = files.open(path, "rb")
            table = ParquetFile(file)
        with file:
            number = 0
            for batch in table.iter_batches(_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, _without_nulls(row)

    def _entry(self, number: int, fields: object) -> Entry:
        if not isinstance(fields, dict):
            return Entry(number, wrong=str(fields) if isinstance(fields, ValueError) else "it is no object")
        audio, given, wrong = fields.get("audio"), fields.get("id"), _wrong_with(fields)
        if not isinstance(audio, str):
            audio = ""
        if isinstance(given, int) and not isinstance(given, bool):
            given = str(given)
        named = given if isinstance(given, str) else name_for(audio) if audio and given is None else ""
        if wrong:
            return Entry(number, named, audio, wrong=wrong)
        return Entry(
            number, named, self._located(audio), fields.get("options") or {}, fields.get("metadata") or {}
        )

    def _located(self, audio: str) -> str:
        """Return a path relative to the manifest as one that holds for every process."""
        if not is_path(audio):
            return audio
        if is_path(self.url):
            return str(Path(self.url).absolute().parent / audio)
        return posixpath.join(posixpath.dirname(self.url.partition("?")[0]), audio)


def _parsed(line: bytes) -> object:
    """Return what a line holds, or the error where it is no JSON: it is for its own recording alone."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        return ValueError(f"it is no JSON: {why}")


def _without_nulls(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row as JSON would have it: in Parquet every row has every field, null where it is not set."""
    return {
        key: _as_object(value) if key in _OBJECTS else value
        for key, value in row.items()
        if value is not None
    }


def _as_object(value: object) -> object:
    """Return a struct, a map, or the text of a JSON object as an object."""
    if isinstance(value, dict):
        return {key: inner for key, inner in value.items() if inner is not None}
    if isinstance(value, str):
        return _parsed(value.encode())
    if isinstance(value, list) and all(isinstance(pair, tuple) for pair in value):
        return dict(value)
    return value


def _wrong_with(fields: Mapping[str, object]) -> str:
    for key in fields:
        if key not in KEYS:
            return f"{key}: no such key; the keys are {', '.join(KEYS)}"
    audio, given = fields.get("audio"), fields.get("id")
    if not isinstance(audio, str) or not audio:
        return "audio: give the path or URL of the recording"
    if given is not None and (isinstance(given, bool) or not isinstance(given, str | int) or given == ""):
        return "id: give a text that is not empty"
    for key in ("options", "metadata"):
        if not isinstance(fields.get(key) or {}, dict):
            return f"{key}: give an object"
    return ""
