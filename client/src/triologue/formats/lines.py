"""What every line-based format shows of a result."""

from collections.abc import Iterator
from typing import NamedTuple

from triologue.schema.asr import TimeInterval
from triologue.schema.results import DiarizedResult, Result, TranscriptionResult


class Line(NamedTuple):
    """One segment or turn."""

    interval: TimeInterval
    """When it was said, in seconds."""
    speaker: str | None
    """Who said it, when known."""
    text: str
    """What was said, on one line; empty for a turn."""


def lines(result: Result) -> Iterator[Line]:
    """Go through the segments that have text, or the turns of a diarization."""
    if isinstance(result, TranscriptionResult):
        for segment in result.segments:
            if text := " ".join(segment.text.split()):
                yield Line(segment.time_interval, segment.speaker, text)
    elif isinstance(result, DiarizedResult):
        for turn in result.turns:
            yield Line(turn.time_interval, turn.speaker, "")


def timestamp(seconds: float, mark: str) -> str:
    """Return HH:MM:SS and milliseconds after `mark`: 3661.5 is "01:01:01.500" with a dot."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}{mark}{milliseconds:03d}"
