"""How a recording is laid out for the two networks, against pyannote's way of sliding a window over it."""

import random

import numpy as np
import pytest

from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.diarization.spans import (
    HOP_UNIT,
    MAX_HOP,
    MIN_HOP,
    SPAN_SAMPLES,
    WINDOW_SAMPLES,
    WINDOWS,
    AudioOfSpan,
    hop_of,
    num_windows,
    spans,
    windows_of_a_span,
)

HOP = 16_000
HOPS = [MIN_HOP, HOP, 32_000, 53_330, 80_000, 126_550, MAX_HOP]

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
    319_999,
    320_000,
    320_001,
    479_999,
    480_000,
    480_001,
    495_999,
    496_000,
    496_001,
    *(_chance.randrange(1, 20_000_000) for _ in range(20)),
]


def windows_of_pyannote(num_samples: int, hop: int) -> list[int]:
    """First sample of each window that `pyannote.audio.Inference.slide` looks at.

    It takes all windows of 10 s, one every hop, that are complete, and one that is filled up with zeros when
    some audio is left behind the last of them.
    """
    starts = list(range(0, num_samples - WINDOW_SAMPLES + 1, hop))
    if num_samples < WINDOW_SAMPLES or (num_samples - WINDOW_SAMPLES) % hop > 0:
        starts.append(len(starts) * hop)
    return starts


def test_a_span_is_thirty_seconds() -> None:
    assert SPAN_SAMPLES == 30 * 16_000


@pytest.mark.parametrize(
    ("step", "hop"),
    [(0.05, 8_000), (0.1, 16_000), (0.2, 32_000), (1 / 3, 53_330), (0.5, 80_000), (1, 160_000)],
)
def test_a_step_is_a_share_of_the_window(step: float, hop: int) -> None:
    assert hop_of(step) == hop


def test_every_step_a_caller_may_ask_for_is_a_hop_the_networks_take() -> None:
    for step in np.linspace(0.05, 1.0, 997).tolist():
        hop = hop_of(PyannoteSpeakerDiarizationParams(segmentation_step=step).segmentation_step)
        assert MIN_HOP <= hop <= MAX_HOP
        assert hop % HOP_UNIT == 0
        assert hop == pytest.approx(step * WINDOW_SAMPLES, abs=HOP_UNIT / 2)


def test_the_default_step_is_a_second() -> None:
    assert hop_of(PyannoteSpeakerDiarizationParams().segmentation_step) == HOP
    assert windows_of_a_span(HOP) == WINDOWS


@pytest.mark.parametrize("hop", HOPS)
def test_a_full_span_holds_all_windows_that_fit(hop: int) -> None:
    windows = windows_of_a_span(hop)
    assert 1 <= windows <= WINDOWS
    assert WINDOW_SAMPLES + (windows - 1) * hop <= SPAN_SAMPLES
    assert windows == WINDOWS or WINDOW_SAMPLES + windows * hop > SPAN_SAMPLES


@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.parametrize("num_samples", LENGTHS)
def test_windows_are_those_of_pyannote(num_samples: int, hop: int) -> None:
    expected = windows_of_pyannote(num_samples, hop)
    assert num_windows(num_samples, hop) == len(expected)
    starts = [span.start + window * hop for span in spans(num_samples, hop) for window in range(span.windows)]
    assert starts == expected


@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.parametrize("num_samples", LENGTHS)
def test_every_window_is_in_one_span(num_samples: int, hop: int) -> None:
    layout = list(spans(num_samples, hop))
    windows = [span.first_window + window for span in layout for window in range(span.windows)]
    assert windows == list(range(num_windows(num_samples, hop)))
    *full, last = layout
    assert all(span.windows == windows_of_a_span(hop) for span in full)
    assert 1 <= last.windows <= windows_of_a_span(hop)


@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.parametrize("num_samples", LENGTHS)
def test_a_span_holds_the_audio_of_its_windows(num_samples: int, hop: int) -> None:
    samples = np.zeros(num_samples, np.int16)
    for span in spans(num_samples, hop):
        behind_last_window = span.start + (span.windows - 1) * hop + WINDOW_SAMPLES
        assert span.stop == min(behind_last_window, num_samples)
        assert 0 < span.stop - span.start <= SPAN_SAMPLES
        # The cores count the windows anew, from the samples and the hop alone.
        assert AudioOfSpan(samples[span.start : span.stop], hop).windows == span.windows


def test_thirty_one_and_a_half_seconds() -> None:
    """Windows start at 0, 1, ... 22 s, the last one reaching past the end: 21 of them in the first span."""
    first, second = spans(504_000, HOP)
    assert (first.first_window, first.windows, first.start, first.stop) == (0, 21, 0, 480_000)
    assert (second.first_window, second.windows, second.start, second.stop) == (21, 2, 336_000, 504_000)


def test_thirty_one_and_a_half_seconds_in_steps_of_five() -> None:
    """Windows start at 0, 5, ... 25 s: five of them in the first span, which ends with the last of these."""
    first, second = spans(504_000, 80_000)
    assert (first.first_window, first.windows, first.start, first.stop) == (0, 5, 0, 480_000)
    assert (second.first_window, second.windows, second.start, second.stop) == (5, 1, 400_000, 504_000)


class TestFillingUp:
    def test_with_silence_to_the_end_of_the_last_window(self) -> None:
        audio = AudioOfSpan(np.arange(1, 200_001).astype(np.int16), 32_000)
        filled = audio.filled_up()
        assert (audio.windows, len(filled)) == (3, WINDOW_SAMPLES + 2 * 32_000)
        assert filled.dtype == np.float32
        np.testing.assert_array_equal(filled[:200_000] * 32_768, audio.samples)
        assert not filled[200_000:].any()

    def test_of_what_is_complete_adds_nothing(self) -> None:
        audio = AudioOfSpan(np.full(WINDOW_SAMPLES + HOP, -32_768, np.int16), HOP)
        np.testing.assert_array_equal(audio.filled_up(), np.full(WINDOW_SAMPLES + HOP, -1.0, np.float32))

    def test_more_audio_than_windows_fit_is_left_out(self) -> None:
        """No span of a recording is like that, and a core may be asked about it all the same."""
        audio = AudioOfSpan(np.ones(SPAN_SAMPLES, np.int16), MIN_HOP)
        assert audio.windows == WINDOWS
        assert len(audio.filled_up()) == WINDOW_SAMPLES + (WINDOWS - 1) * MIN_HOP
