"""What formats of subtitles show."""

from collections.abc import Iterator
from typing import NamedTuple

from triologue.formats.lines import lines
from triologue.layout.cues import CueStyle, cues
from triologue.schema.results import DiarizedResult, Result, TranscriptionResult


class Subtitle(NamedTuple):
    """Some lines, and when they are shown."""

    start: float
    """When they appear, in seconds."""
    end: float
    """When they vanish, in seconds."""
    speaker: str | None
    """Who speaks, when known."""
    lines: tuple[str, ...]
    """The text, none of it blank."""


def subtitles(result: Result, style: CueStyle) -> Iterator[Subtitle]:
    """Go through the cues of a transcript, or the turns of a diarization, whose text is their speaker."""
    if isinstance(result, TranscriptionResult):
        for cue in cues(result.segments, style):
            if cue.lines:  # Words that are blank have nothing to show.
                yield Subtitle(cue.start, cue.end, cue.speaker, cue.lines)
    elif isinstance(result, DiarizedResult):
        for line in lines(result):
            yield Subtitle(line.interval.start, line.interval.end, line.speaker, (line.speaker or "",))
