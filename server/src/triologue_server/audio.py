"""Audio behind the decoder: 16 kHz, one channel, 16-bit samples."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triologue.schema import AudioInfo, InvalidAudio
from triologue_server.decoding.decoder import SAMPLE_RATE, decode

__all__ = ["SAMPLE_RATE", "Recording", "decode_audio", "to_float"]


@dataclass(frozen=True)
class Recording:
    """A decoded upload."""

    samples: NDArray[np.int16]
    """(samples,) at 16 kHz, channels mixed down to one."""
    info: AudioInfo
    """What the upload was."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def to_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Scale 16-bit samples to -1.0 to 1.0."""
    return samples.astype(np.float32) / 32768.0


def decode_audio(upload: bytes, max_seconds: float) -> Recording:
    """Decode the first audio stream of an encoded file in this process, for files that are one's own.

    What a caller sends is decoded elsewhere: `triologue_server.decoding.pool`.

    Args:
        upload: The bytes of the file.
        max_seconds: Longest recording that is accepted, in seconds.

    Raises:
        InvalidAudio: The upload is empty, no media file, without audio, or ends before its audio does.
        PayloadTooLarge: It holds more than `max_seconds` of audio.
    """
    if not upload:
        raise InvalidAudio("the upload is empty")
    joined = _Joined()
    info = decode(io.BytesIO(upload), max_seconds, joined.write)
    return Recording(joined.samples(), info)


class _Joined:
    """Pieces in one array that grows in place: hours of samples do not exist twice at any time."""

    def __init__(self) -> None:
        self._samples = np.empty(0, np.int16)
        self._length = 0

    def write(self, piece: NDArray[np.int16]) -> None:
        end = self._length + len(piece)
        if end > len(self._samples):
            self._samples.resize(max(end, len(self._samples) * 33 // 32), refcheck=False)
        self._samples[self._length : end] = piece
        self._length = end

    def samples(self) -> NDArray[np.int16]:
        self._samples.resize(self._length, refcheck=False)
        return self._samples
