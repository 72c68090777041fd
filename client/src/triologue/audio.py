"""What a recording may be given as."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from numpy.typing import NDArray

# numpy is imported only where there is an array.
Audio: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | tuple["NDArray[Any]", int]
)
"""A path, an `http(s)` URL, the bytes of an encoded file, a file opened in binary mode, or samples.

Samples are an array and its sample rate in Hz, as `soundfile.read` returns them: of shape (samples,) or
(samples, channels), whole numbers of 16 or 32 bits, unsigned ones of 8 bits, or floats of which ±1.0 is the
loudest.
"""


def is_url(audio: Audio) -> bool:
    """Tell an `http(s)` URL from a path."""
    return isinstance(audio, str) and audio.lower().startswith(("http://", "https://"))


def read_audio(audio: Audio) -> bytes:
    """Return the encoded bytes of a recording; a file object is read from where it stands.

    Raises:
        OSError: The path cannot be read, for example `FileNotFoundError`.
        TypeError: It is none of what a recording may be, or a URL, which has to be fetched first.
    """
    from triologue.recording import as_recording

    return b"".join(as_recording(audio).chunks())


def name_of(audio: Audio) -> str:
    """Return what to call a recording in a message: its path, or its URL without what may be a secret."""
    if is_url(audio):
        return _public(str(audio))
    if isinstance(audio, str | os.PathLike):
        return os.fspath(audio)
    name: object = getattr(audio, "name", None)
    return name if isinstance(name, str) else "the recording"


def stem_of(audio: Audio) -> str:
    """Return what to call what is made of a recording: the name of its file without the ending."""
    return Path(name_of(audio)).stem or "recording"


def _public(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # as for "http://[": nothing is known of what may be a secret in it
        return "the URL"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
