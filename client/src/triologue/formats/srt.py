"""SubRip subtitles."""

from triologue.formats.lines import timestamp
from triologue.formats.subtitles import subtitles
from triologue.layout.cues import CueStyle
from triologue.schema.results import Result

SRT_STYLE = CueStyle(show_speaker=True)


def to_srt(result: Result, style: CueStyle = SRT_STYLE) -> str:
    """Write the cues of a transcript, such as `SPEAKER_00: Hello.`, or of each turn its speaker alone.

    SubRip has no way to escape anything: an arrow that was said, `-->`, is written `->`, since the longer one
    stands between times.
    """
    written = []
    for number, cue in enumerate(subtitles(result, style), start=1):
        text = "\n".join(cue.lines).replace("-->", "->")
        written.append(f"{number}\n{timestamp(cue.start, ',')} --> {timestamp(cue.end, ',')}\n{text}\n")
    return "\n".join(written)
