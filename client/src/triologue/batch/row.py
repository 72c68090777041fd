"""What came of one recording of an archive."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from triologue.batch.files import shown
from triologue.batch.manifest import Entry

Came = Literal["finished", "skipped", "failed", "not_tried"]
"""Its results were written; were there already; could not be had or written; or it was not begun."""


@dataclass(frozen=True)
class Row:
    """What came of one recording. No field is ever missing: all parts of a table have the same types."""

    line: int
    """Which line of the manifest, from 1."""
    id: str
    """What its results are called; empty where its line cannot be read so far."""
    audio: str
    """Its path, or its URL without what may be a secret."""
    status: Came
    """What came of it."""
    code: str = ""
    """What kind of failure it was."""
    message: str = ""
    """What was wrong."""
    seconds: float = 0.0
    """How long it took, in seconds."""
    audio_seconds: float = 0.0
    """How long the recording is, in seconds, where it was worked on."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What its line says besides."""

    @staticmethod
    def of(entry: Entry, status: Came, **fields: Any) -> "Row":
        """Return the row of an entry."""
        return Row(entry.line, entry.id, shown(entry.audio), status, metadata=entry.metadata, **fields)

    def to_json(self) -> str:
        """Return it as JSON in one line. What JSON has no type for, as a date of Parquet, is text."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)
