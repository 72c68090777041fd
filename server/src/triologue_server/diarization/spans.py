"""How a recording is laid out for the two networks: windows of ten seconds, sent in spans of several.

pyannote slides a window over the recording and looks at each on its own. Neighbouring windows share nearly
all of their audio, so they travel together: a span is the audio of `WINDOWS` consecutive windows. The shapes
are fixed, because Triton joins only requests of one shape into a batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from triologue_server.audio import SAMPLE_RATE

WINDOW_SECONDS = 10
"""What the segmentation network was trained on."""

HOP_SECONDS = 1
"""From one window to the next: a tenth of a window, pyannote's default."""

WINDOWS = 21
"""Windows of a full span."""

FRAMES = 589
"""Frames the segmentation network puts out for a window."""

SPEAKERS = 3
"""Speakers the segmentation network tells apart in a window."""

WINDOW_SAMPLES = WINDOW_SECONDS * SAMPLE_RATE
HOP_SAMPLES = HOP_SECONDS * SAMPLE_RATE
SPAN_SAMPLES = WINDOW_SAMPLES + (WINDOWS - 1) * HOP_SAMPLES
"""Samples of a full span: 30 seconds."""


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


def num_windows(num_samples: int) -> int:
    """Windows needed to cover `num_samples`; the last one may reach past the end, as in pyannote."""
    if num_samples <= WINDOW_SAMPLES:
        return 1
    return 1 + -(-(num_samples - WINDOW_SAMPLES) // HOP_SAMPLES)


def spans(num_samples: int) -> Iterator[Span]:
    """Lay a recording of `num_samples` out in spans, in order of time."""
    total = num_windows(num_samples)
    for first in range(0, total, WINDOWS):
        count = min(WINDOWS, total - first)
        start = first * HOP_SAMPLES
        stop = min(num_samples, start + WINDOW_SAMPLES + (count - 1) * HOP_SAMPLES)
        yield Span(first, count, start, stop)
