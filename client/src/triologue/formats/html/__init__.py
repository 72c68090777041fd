"""A page of a result: it plays the recording, shows who speaks when, and follows the words.

The page is one file that needs nothing else. What was said, and what speakers are called, comes from outside:
it is escaped wherever it stands, and the page's policy lets nothing run but the script that is written here.
"""

import base64
import hashlib
import mimetypes
from importlib.resources import files
from string import Template

from triologue.audio import Audio, name_of
from triologue.formats.html.markup import data, escaped, heading, legend, timeline, transcript
from triologue.recording import as_recording
from triologue.schema.results import Result, TranscriptionResult

TITLE = "Transcript"
RIGHT_TO_LEFT = {"ar", "fa", "he", "ps", "sd", "ur", "yi"}
"""Languages of Whisper's that are written from right to left."""

_SCRIPTS = ("transcript.js", "player.js", "speakers.js", "search.js", "export.js", "keys.js")
# How files begin, for recordings without a name that tells.
_MAGIC = {
    b"RIFF": "audio/wav",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"fLaC": "audio/flac",
    b"OggS": "audio/ogg",
    b"\x1aE\xdf\xa3": "audio/webm",
}


def to_html(result: Result, title: str | None = None, audio: Audio | None = None) -> str:
    """Write a page.

    Args:
        result: Any result.
        title: What the recording is called.
        audio: The recording, which becomes part of the page. Without it the page asks for it.

    Raises:
        OSError: The path of the recording cannot be read.
        TypeError: The recording is a URL, which has to be fetched first.
    """
    style = _own("page.css")
    script = "(() => {\n" + "\n".join(map(_own, _SCRIPTS)) + "})();\n"
    language = result.transcription_info.language if isinstance(result, TranscriptionResult) else ""
    return Template(_own("page.html")).substitute(
        title=escaped(title or TITLE),
        policy=f"style-src '{_hash(style)}'; script-src '{_hash(script)}'",
        style=style,
        script=script,
        language=escaped("" if language == "silence" else language),
        direction="rtl" if language in RIGHT_TO_LEFT else "ltr",
        source="" if audio is None else f' src="{_data_uri(audio)}"',
        heading=heading(result),
        legend=legend(result),
        timeline=timeline(result),
        transcript=transcript(result),
        data=data(result, title or TITLE),
    )


def _own(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data_uri(audio: Audio) -> str:
    encoded = b"".join(base64.b64encode(piece) for piece in as_recording(audio).chunks())
    return f"data:{_media_type(audio, base64.b64decode(encoded[:64]))};base64,{encoded.decode()}"


def _media_type(audio: Audio, beginning: bytes) -> str:
    if beginning[4:8] == b"ftyp":
        return "audio/mp4"
    for magic, kind in _MAGIC.items():
        if beginning.startswith(magic):
            return kind
    return mimetypes.guess_type(name_of(audio))[0] or "audio/mpeg"
