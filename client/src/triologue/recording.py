"""A recording as it is sent: in pieces, and again if need be, without holding a file in memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from triologue.audio import Audio, is_url, name_of
from triologue.schema import InvalidAudio, PayloadTooLarge

# A multiple of three, so that pieces can be written as base64 one by one.
CHUNK_BYTES = 3 * 2**18
# A protobuf message ends at 2 GiB; the rest is room for its other fields.
MAX_BYTES = 2**31 - 2**20


class Recording(Protocol):
    """The bytes of an encoded recording."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Go through the bytes in pieces of at most `CHUNK_BYTES`, all but the last of that size.

        Raises:
            InvalidAudio: There are not `size` of them any more.
            OSError: The file cannot be read.
        """
        ...


@dataclass(frozen=True)
class Held:
    """A recording that is in memory already."""

    data: bytes | memoryview

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Go through the bytes in pieces, none of them a copy."""
        view = memoryview(self.data)
        for first in range(0, self.size, CHUNK_BYTES):
            yield view[first : first + CHUNK_BYTES]


@dataclass(frozen=True)
class File:
    """A recording on disk."""

    path: Path
    size: int

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Read the file piece by piece."""
        left = self.size
        with self.path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                left -= len(piece)
                if left < 0:
                    break
                yield piece
        if left:
            raise InvalidAudio(f"{self.path} changed while it was read")


def as_recording(audio: Audio) -> Recording:
    """Find a recording that is on this machine; a file object is read from where it stands.

    Raises:
        OSError: The path cannot be read, for example `FileNotFoundError`.
        PayloadTooLarge: It does not fit one message.
        TypeError: It is none of what a recording may be.
    """
    recording = _as_recording(audio)
    if recording.size > MAX_BYTES:
        raise PayloadTooLarge(
            f"{name_of(audio)}: {recording.size} bytes do not fit one request of at most {MAX_BYTES} bytes"
        )
    return recording


def _as_recording(audio: Audio) -> Recording:
    if isinstance(audio, bytes):
        return Held(audio)
    if isinstance(audio, bytearray | memoryview):
        return Held(memoryview(audio).cast("B"))
    if is_url(audio):
        raise TypeError(f"{name_of(audio)} has to be fetched first")
    if isinstance(audio, str | os.PathLike):
        return _as_file(Path(audio))
    if isinstance(audio, tuple):
        from triologue.samples import to_wav

        return Held(memoryview(to_wav(*audio)))
    if not hasattr(audio, "read"):
        raise TypeError(
            f"a recording is a path, URL, bytes, binary file, or (samples, rate), not {type(audio).__name__}"
        )
    data: object = audio.read()
    if not isinstance(data, bytes):
        raise TypeError("open the recording in binary mode: its read() returned no bytes")
    return Held(data)


def _as_file(path: Path) -> Recording:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        # A pipe has no size, and can be read but once.
        return File(path, status.st_size) if stat.S_ISREG(status.st_mode) else Held(file.read())
