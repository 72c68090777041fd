"""WebVTT subtitles, with the voice of each."""

from triologue.formats.lines import timestamp
from triologue.formats.subtitles import subtitles
from triologue.layout.cues import CueStyle
from triologue.schema.results import Result

VTT_STYLE = CueStyle()
"""The voice says who speaks, so the text does not."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def to_vtt(result: Result, style: CueStyle = VTT_STYLE) -> str:
    """Write the cues of a transcript, such as `<v SPEAKER_00>Hello.`, or of each turn its speaker alone.

    The voice names the speaker, so a style that shows speakers changes nothing. The format is that of
    https://www.w3.org/TR/webvtt1/.
    """
    written = ["WEBVTT\n"]
    for cue in subtitles(result, style.model_copy(update={"show_speaker": False})):
        text = "\n".join(line.translate(_ESCAPES) for line in cue.lines)
        voice = f"<v {_on_one_line(cue.speaker)}>" if cue.speaker else ""
        written.append(f"{timestamp(cue.start, '.')} --> {timestamp(cue.end, '.')}\n{voice}{text}\n")
    return "\n".join(written)


def _on_one_line(name: str) -> str:
    return " ".join(name.split()).translate(_ESCAPES)
