"""Damaged recordings: whole ones of the containers that are common, and what may have happened to them."""

import io
from collections.abc import Callable, Mapping
from random import Random

import av
import numpy as np
from numpy.typing import NDArray

CODECS = {
    "wav": ("wav", "pcm_s16le", 16_000),
    "flac": ("flac", "flac", 44_100),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "ogg": ("ogg", "libopus", 48_000),
    "m4a": ("ipod", "aac", 44_100),
    "webm": ("webm", "libopus", 48_000),
    "mkv": ("matroska", "aac", 48_000),
}
"""Of each kind of file: FFmpeg's container and codec, and a sample rate."""

_EXTREMES = (
    *(0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
    *(2**32, 2**63 - 1, 2**63, 2**64 - 1),
)


def recordings(samples: NDArray[np.int16]) -> dict[str, bytes]:
    """Return a file of each kind with the same sound, (samples,) at 16 kHz; they are the same every time."""
    return {kind: _encoded(samples, *how) for kind, how in CODECS.items()}


def damaged(files: Mapping[str, bytes], kind: str, number: int) -> bytes:
    """Return one of the files with the damage of a number: the same for the same number."""
    chance = Random(f"{kind} {number}")
    file = files[kind]
    for _ in range(chance.choice((1, 1, 2, 4))):
        damage = chance.choice(_DAMAGES)
        file = damage(file, chance, files[chance.choice(list(files))])
    return file


def _encoded(samples: NDArray[np.int16], container: str, codec: str, rate: int) -> bytes:
    file = io.BytesIO()
    # Else there are random numbers in some of them.
    with av.open(file, "w", format=container, options={"fflags": "+bitexact"}) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
        for resampled in resampler.resample(frame) + resampler.resample(None):
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    return file.getvalue()


def _place(file: bytes, chance: Random) -> int:
    """Return a place in a file, more often than not where it says what it holds."""
    at = chance.choice((chance.randrange(64), chance.randrange(512), -1 - chance.randrange(1024), -1))
    return at % len(file) if at != -1 else chance.randrange(len(file))


def _stretch(file: bytes, chance: Random) -> slice:
    start = _place(file, chance)
    return slice(start, start + chance.choice((1, 4, 16, 64, 256, 1024, 4096)))


Damage = Callable[[bytes, Random, bytes], bytes]


def _flipped(file: bytes, chance: Random, other: bytes) -> bytes:
    changed = bytearray(file or b"\0")
    for _ in range(chance.choice((1, 2, 8, 32))):
        changed[_place(changed, chance)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _noisy(file: bytes, chance: Random, other: bytes) -> bytes:
    at = _stretch(file or b"\0", chance)
    return file[: at.start] + chance.randbytes(len(file[at])) + file[at.stop :]


def _zeroed(file: bytes, chance: Random, other: bytes) -> bytes:
    at = _stretch(file or b"\0", chance)
    return file[: at.start] + bytes(len(file[at])) + file[at.stop :]


def _truncated(file: bytes, chance: Random, other: bytes) -> bytes:
    return file[: _place(file or b"\0", chance)]


def _spliced(file: bytes, chance: Random, other: bytes) -> bytes:
    return file[: _place(file or b"\0", chance)] + other[_place(other, chance) :]


def _repeated(file: bytes, chance: Random, other: bytes) -> bytes:
    at = _stretch(file or b"\0", chance)
    return file[: at.stop] + file[at] * chance.choice((1, 1, 2, 50)) + file[at.stop :]


def _shortened(file: bytes, chance: Random, other: bytes) -> bytes:
    at = _stretch(file or b"\0", chance)
    return file[: at.start] + file[at.stop :]


def _extreme(file: bytes, chance: Random, other: bytes) -> bytes:
    """Write an extreme number somewhere, as of a length."""
    at, size = _place(file or b"\0", chance), chance.choice((1, 2, 4, 8))
    number = chance.choice([extreme for extreme in _EXTREMES if extreme < 256**size])
    return file[:at] + number.to_bytes(size, chance.choice(("little", "big"))) + file[at + size :]


_DAMAGES: tuple[Damage, ...] = (
    _flipped,
    _noisy,
    _zeroed,
    _truncated,
    _spliced,
    _repeated,
    _shortened,
    _extreme,
)
