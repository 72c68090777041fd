"""How a recording is laid out for the two networks, against pyannote's way of sliding a window over it."""

import random

import pytest

from triologue_server.diarization.spans import (
    HOP_SAMPLES,
    SPAN_SAMPLES,
    WINDOW_SAMPLES,
    WINDOWS,
    num_windows,
    spans,
)

_chance = random.Random(0)
LENGTHS = [
    1,
    16_000,
    159_999,
    160_000,
    160_001,
    175_999,
    176_000,
    176_001,
    479_999,
    480_000,
    480_001,
    495_999,
    496_000,
    496_001,
    *(_chance.randrange(1, 20_000_000) for _ in range(50)),
]


def windows_of_pyannote(num_samples: int) -> list[int]:
    """First sample of each window that `pyannote.audio.Inference.slide` looks at.

    It takes all windows of 10 s, one a second, that are complete, and one that is filled up with zeros when
    some audio is left behind the last of them.
    """
    starts = list(range(0, num_samples - WINDOW_SAMPLES + 1, HOP_SAMPLES))
    if num_samples < WINDOW_SAMPLES or (num_samples - WINDOW_SAMPLES) % HOP_SAMPLES > 0:
        starts.append(len(starts) * HOP_SAMPLES)
    return starts


def test_a_span_is_thirty_seconds() -> None:
    assert SPAN_SAMPLES == 30 * 16_000


@pytest.mark.parametrize("num_samples", LENGTHS)
def test_windows_are_those_of_pyannote(num_samples: int) -> None:
    expected = windows_of_pyannote(num_samples)
    assert num_windows(num_samples) == len(expected)
    starts = [
        span.start + window * HOP_SAMPLES for span in spans(num_samples) for window in range(span.windows)
    ]
    assert starts == expected


@pytest.mark.parametrize("num_samples", LENGTHS)
def test_every_window_is_in_one_span(num_samples: int) -> None:
    windows = [span.first_window + window for span in spans(num_samples) for window in range(span.windows)]
    assert windows == list(range(num_windows(num_samples)))
    *full, last = spans(num_samples)
    assert all(span.windows == WINDOWS for span in full)
    assert 1 <= last.windows <= WINDOWS


@pytest.mark.parametrize("num_samples", LENGTHS)
def test_a_span_holds_the_audio_of_its_windows(num_samples: int) -> None:
    for span in spans(num_samples):
        behind_last_window = span.start + (span.windows - 1) * HOP_SAMPLES + WINDOW_SAMPLES
        assert span.stop == min(behind_last_window, num_samples)
        assert 0 < span.stop - span.start <= SPAN_SAMPLES
        # The core counts the windows anew, from the samples alone.
        assert num_windows(span.stop - span.start) == span.windows


def test_thirty_one_and_a_half_seconds() -> None:
    """Windows start at 0, 1, ... 22 s, the last one reaching past the end: 21 of them in the first span."""
    first, second = spans(504_000)
    assert (first.first_window, first.windows, first.start, first.stop) == (0, 21, 0, 480_000)
    assert (second.first_window, second.windows, second.start, second.stop) == (21, 2, 336_000, 504_000)
