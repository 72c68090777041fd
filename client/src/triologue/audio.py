"""What a recording may be given as."""

import os
from pathlib import Path
from typing import BinaryIO

Audio = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""A path, the bytes of an encoded file, or a file opened in binary mode."""


def read_audio(audio: Audio) -> bytes:
    """Return the encoded bytes of a recording; a file object is read from where it stands.

    Raises:
        OSError: The path cannot be read, for example `FileNotFoundError`.
        TypeError: The file object was opened in text mode.
    """
    if isinstance(audio, bytes | bytearray | memoryview):
        return bytes(audio)
    if isinstance(audio, str | os.PathLike):
        return Path(audio).read_bytes()
    data: object = audio.read()
    if not isinstance(data, bytes):
        raise TypeError("open the recording in binary mode: its read() returned no bytes")
    return data


def name_of(audio: Audio) -> str:
    """Return what to call a recording in a message: its path where it has one."""
    if isinstance(audio, str | os.PathLike):
        return os.fspath(audio)
    name: object = getattr(audio, "name", None)
    return name if isinstance(name, str) else "the recording"
