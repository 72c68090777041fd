"""What is sent: recordings of many lengths in several containers, silence, and what is to be refused."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.encoded import Format, write_audio
from benchmarks.locust.clips import Clip, Clips
from benchmarks.locust.mix import Length
from benchmarks.speech import Samples, sample_path, wav
from triologue_server.audio import SAMPLE_RATE

LENGTHS: Mapping[Length, float] = {
    Length(1, 2): 2,
    Length(2, 10): 4,
    Length(10, 30): 3,
    Length(60, 120): 1,
}
"""Seconds of the recordings, and how often in comparison."""

UPLOAD_MB = 8
"""Largest upload that the server is set to take, so that larger ones are still small."""
AUDIO_HOURS = 0.05
"""Longest recording that it is set to take."""

_LONG: Mapping[Length, float] = {Length(30, 60): 1}  # longer than who leaves waits for it
_FORMATS = (Format.WAV, Format.FLAC, Format.OPUS)
_NUMBER = 6  # of each length


@dataclass(frozen=True)
class Uploads:
    """Everything that may be sent."""

    spoken: Clips
    """Recordings of speech of every length."""
    long: Clips
    """Recordings that take a while."""
    silent: Sequence[Clip]
    """Recordings without speech."""
    broken: Sequence[Clip]
    """What is no recording, or half of one."""
    too_large: Clip
    """More bytes than the server takes."""
    too_long: Clip
    """More seconds than the server takes."""

    @classmethod
    def make(cls, seed: int) -> "Uploads":
        """Cut and encode them."""
        chance = random.Random(seed)  # noqa: S311
        return cls(
            spoken=Clips.cut(LENGTHS, _FORMATS, _NUMBER, chance),
            long=Clips.cut(_LONG, _FORMATS, _NUMBER, chance),
            silent=[_silence(3.0, Format.WAV), _silence(20.0, Format.FLAC)],
            broken=_broken(sample_path().read_bytes()),
            too_large=Clip("too many bytes", 0.0, bytes(1_000_000 * UPLOAD_MB + 1)),
            too_long=_silence(3600 * AUDIO_HOURS + 1, Format.FLAC),
        )


def encoded(samples: Samples, file_format: Format) -> bytes:
    """Return samples as a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder, f"upload.{file_format.value}")
        write_audio(samples, path)
        return path.read_bytes()


def _silence(seconds: float, file_format: Format) -> Clip:
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    return Clip("silence", seconds, encoded(samples, file_format))


def _broken(whole: bytes) -> list[Clip]:
    noise = np.random.default_rng(5).bytes(20_000)
    files = {
        "nothing": b"",
        "text": b"Who said what, and when?\n" * 100,
        "noise": noise,
        "half a file": whole[: len(whole) // 2],
        "header alone": whole[:44],
        "no samples": wav(np.zeros(0, np.int16)),
    }
    return [Clip(name, 0.0, content) for name, content in files.items()]
