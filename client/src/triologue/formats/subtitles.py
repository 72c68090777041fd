"""What formats of subtitles show."""

from typing import NamedTuple

from triologue.formats.lines import lines
from triologue.layout.cues import CueStyle, cues
from triologue.schema.results import DiarizedResult, Result, TranscriptionResult


class Subtitle(NamedTuple):
    """Some lines, and when they are shown."""

    start: float
    """When they appear, in seconds."""
    end: float
    """When they vanish, in seconds: a millisecond later at least, since WebVTT knows no shorter time."""
    speaker: str | None
    """Who speaks, when known."""
    lines: tuple[str, ...]
    """The text, none of it blank."""


def subtitles(result: Result, style: CueStyle) -> list[Subtitle]:
    """Return the cues of a transcript, or the turns of a diarization, whose text is their speaker.

    They are in the order in which they appear, which WebVTT asks for; time may go back in a transcript.
    """
    shown: list[Subtitle] = []
    if isinstance(result, TranscriptionResult):
        for cue in cues(result.segments, style):
            if cue.lines:  # Words that are blank have nothing to show.
                shown.append(_subtitle(cue.start, cue.end, cue.speaker, cue.lines))
    elif isinstance(result, DiarizedResult):
        for line in lines(result):
            text = (" ".join((line.speaker or "").splitlines()),)
            shown.append(_subtitle(line.interval.start, line.interval.end, line.speaker, text))
    return sorted(shown, key=lambda subtitle: subtitle.start)


def _subtitle(start: float, end: float, speaker: str | None, lines: tuple[str, ...]) -> Subtitle:
    return Subtitle(start, max(end, start + 0.001), speaker, lines)
