"""Samples as a WAV file, which keeps every bit of them."""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triologue.recording import MAX_BYTES
from triologue.schema import PayloadTooLarge

# Format tags and types of RIFF WAVE (Multimedia Programming Interface and Data Specifications 1.0, 1991, and
# Microsoft's mmreg.h).
_PCM, _FLOAT = 1, 3
_FORMATS = {"u1": _PCM, "i2": _PCM, "i4": _PCM, "f4": _FLOAT, "f8": _FLOAT}
MAX_CHANNELS = 64


def to_wav(samples: NDArray[Any], sample_rate: int) -> bytes:
    """Write samples as a WAV file, as numbers of their own kind.

    Args:
        samples: Of shape (samples,) or (samples, channels).
        sample_rate: In Hz.

    Raises:
        TypeError: They are no array, or of a type that WAV files do not have.
        PayloadTooLarge: They do not fit one message.
        ValueError: The shape or the sample rate is none of a recording.
    """
    if not isinstance(samples, np.ndarray):
        raise TypeError(f"give samples as a numpy array, not as {type(samples).__name__}")
    if samples.dtype == np.float16:
        samples = samples.astype(np.float32)
    tag = _FORMATS.get(samples.dtype.str[1:])
    if tag is None:
        raise TypeError(f"give samples of uint8, int16, int32 or a float type, not {samples.dtype}")
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= MAX_CHANNELS):
        raise ValueError(
            f"give samples of shape (samples,) or (samples, channels), of {MAX_CHANNELS} channels at most, "
            f"not {samples.shape}"
        )
    if not 1 <= int(sample_rate) <= 2**32 - 1 or int(sample_rate) != sample_rate:
        raise ValueError(f"give the sample rate in Hz, not {sample_rate}")
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    width = samples.dtype.itemsize
    if samples.nbytes > MAX_BYTES:
        raise PayloadTooLarge(f"{samples.nbytes} bytes of samples do not fit one request")
    data = np.ascontiguousarray(samples, samples.dtype.newbyteorder("<"))
    block = channels * width
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + data.nbytes, b"WAVE"),
        *(b"fmt ", 16, tag, channels, int(sample_rate), int(sample_rate) * block, block, 8 * width),
        *(b"data", data.nbytes),
    )
    # A chunk of an odd number of bytes is followed by one that fills it up.
    return b"".join((head, data.data.cast("B") if data.size else b"", b"\0" * (data.nbytes % 2)))
