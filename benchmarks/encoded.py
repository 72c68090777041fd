"""Recordings as encoded files, however long they are."""

from enum import Enum
from pathlib import Path

import av
import numpy as np

from benchmarks.speech import Samples
from triologue_server.audio import SAMPLE_RATE

_BLOCK = 60 * SAMPLE_RATE
_BIT_RATE = 64_000  # of Opus, in bits per second, more or less

_CODECS = {"flac": "flac", "wav": "pcm_s16le", "opus": "libopus"}


class Format(str, Enum):
    """Format of audio files, which is their suffix as well."""

    FLAC = "flac"
    WAV = "wav"
    OPUS = "opus"


def write_audio(samples: Samples, path: Path) -> None:
    """Encode samples in the format of the file's suffix, a minute at a time.

    Raises:
        ValueError: It is none of `Format`.
    """
    file_format = Format(path.suffix.removeprefix("."))
    container = "ogg" if file_format is Format.OPUS else file_format.value
    with av.open(path, "w", format=container) as output:
        stream = output.add_stream(_CODECS[file_format.value], rate=SAMPLE_RATE, layout="mono")
        if file_format is Format.OPUS:
            stream.bit_rate = _BIT_RATE
        for start in range(0, len(samples), _BLOCK):
            block = np.ascontiguousarray(samples[None, start : start + _BLOCK])
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def seconds_of(path: Path) -> float:
    """Return how long a file says it is, in seconds; 0 if it does not."""
    with av.open(path) as container:
        return float((container.duration or 0) / av.time_base)
