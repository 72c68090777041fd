"""Long recordings as files that are small enough to be uploaded."""

from pathlib import Path

import av
import numpy as np

from benchmarks.speech import Samples
from triologue_server.audio import SAMPLE_RATE

BIT_RATE = 64_000
"""Of the files that are written here, in bits per second, more or less."""

_BLOCK = 60 * SAMPLE_RATE


def write_opus(samples: Samples, path: Path) -> None:
    """Encode samples as Opus in an Ogg file, a minute at a time."""
    with av.open(path, "w", format="ogg") as output:
        stream = output.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = BIT_RATE
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
