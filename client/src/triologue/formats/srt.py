"""SubRip subtitles."""

from triologue.formats.lines import lines, timestamp
from triologue.layout.cues import CueStyle, cues
from triologue.schema import DiarizationResult, TranscriptionResult

SRT_STYLE = CueStyle(show_speaker=True)


def to_srt(result: TranscriptionResult | DiarizationResult, style: CueStyle = SRT_STYLE) -> str:
    """Write the cues of a transcript, such as `SPEAKER_00: Hello.`, or of each turn its speaker alone."""
    if isinstance(result, DiarizationResult):
        shown = [(line.interval.start, line.interval.end, line.speaker or "") for line in lines(result)]
    else:
        # Words that are blank have nothing to show.
        shown = [
            (cue.start, cue.end, "\n".join(cue.lines)) for cue in cues(result.segments, style) if cue.lines
        ]
    return "\n".join(
        f"{number}\n{timestamp(start, ',')} --> {timestamp(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(shown, start=1)
    )
