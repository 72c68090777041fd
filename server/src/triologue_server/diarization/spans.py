"""How a recording is laid out for the two networks: windows of ten seconds, sent in spans of several.

pyannote slides a window over the recording and looks at each on its own. Neighbouring windows share nearly
all of their audio, so they travel together: a span is the audio of up to `WINDOWS` consecutive windows, and
no more than `SPAN_SAMPLES` of it. The shapes are fixed, because Triton joins only requests of one shape into
a batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triologue_server.audio import SAMPLE_RATE, to_float

WINDOW_SECONDS = 10
"""What the segmentation network was trained on."""

WINDOWS = 21
"""Windows of a full span, at pyannote's default hop of a second."""

FRAMES = 589
"""Frames the segmentation network puts out for a window."""

FRAME_STEP_SAMPLES, FRAME_SAMPLES = 270, 991
"""Samples from one of these frames to the next, and samples that each of them looks at."""

SPEAKERS = 3
"""Speakers the segmentation network tells apart in a window."""

WINDOW_SAMPLES = WINDOW_SECONDS * SAMPLE_RATE
SPAN_SAMPLES = 30 * SAMPLE_RATE
"""Samples of a full span: 30 seconds."""

HOP_UNIT = 10
"""Hops are a multiple of this many samples: the stride of the segmentation network's first convolution."""

MIN_HOP, MAX_HOP = WINDOW_SAMPLES // 20, WINDOW_SAMPLES
"""Shortest and longest hop, in samples."""


@dataclass(frozen=True)
class Span:
    """A run of consecutive windows and the audio under them."""

    first_window: int
    """Index of the first window in the recording."""
    windows: int
    """How many windows, 1 to `WINDOWS`."""
    start: int
    """First sample."""
    stop: int
    """One past the last sample; at most `SPAN_SAMPLES` after `start`."""


def hop_of(step: float) -> int:
    """Return the samples from one window to the next, where `step` is a share of the window's length."""
    return round(step * WINDOW_SAMPLES / HOP_UNIT) * HOP_UNIT


def num_windows(num_samples: int, hop: int) -> int:
    """Windows needed to cover `num_samples`; the last one may reach past the end, as in pyannote."""
    if num_samples <= WINDOW_SAMPLES:
        return 1
    return 1 + -(-(num_samples - WINDOW_SAMPLES) // hop)


def windows_of_a_span(hop: int) -> int:
    """Return how many windows a full span holds."""
    return min(WINDOWS, 1 + (SPAN_SAMPLES - WINDOW_SAMPLES) // hop)


def spans(num_samples: int, hop: int) -> Iterator[Span]:
    """Lay a recording of `num_samples` out in spans, in order of time."""
    total, full = num_windows(num_samples, hop), windows_of_a_span(hop)
    for first in range(0, total, full):
        count = min(full, total - first)
        start = first * hop
        stop = min(num_samples, start + WINDOW_SAMPLES + (count - 1) * hop)
        yield Span(first, count, start, stop)


@dataclass(frozen=True)
class AudioOfSpan:
    """The audio of one span."""

    samples: NDArray[np.int16]
    """(samples,) at 16 kHz, at most `SPAN_SAMPLES`."""
    hop: int
    """From one window to the next, in samples; a multiple of `HOP_UNIT`."""

    @property
    def windows(self) -> int:
        """How many windows it holds; no more than `WINDOWS`."""
        return min(WINDOWS, num_windows(len(self.samples), self.hop))

    def filled_up(self) -> NDArray[np.float32]:
        """Return (samples,) from -1.0 to 1.0, the last window filled up with silence."""
        padded = np.zeros(WINDOW_SAMPLES + (self.windows - 1) * self.hop, np.float32)
        padded[: len(self.samples)] = to_float(self.samples[: len(padded)])
        return padded
