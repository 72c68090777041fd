"""The segmentation core against pyannote's own sliding inference, window for window.

Its first convolution is done once for all windows of a span, which rounds otherwise: where two classes are as
likely as each other to a millionth, the other one may win.
"""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from triologue_server.audio import to_float
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.spans import FRAMES, SPEAKERS, WINDOWS, AudioOfSpan, spans

Samples = NDArray[np.int16]

HOP = 16_000
HOPS = [8_000, HOP, 53_330, 80_000, 160_000]


def slide(pipeline: SpeakerDiarization, samples: Samples, hop: int) -> NDArray[np.float32]:
    """What pyannote makes of a recording, (windows, frames, speakers) of 0 or 1."""
    inference = copy.copy(pipeline._segmentation)
    inference.step = hop / 16_000
    waveform = torch.from_numpy(to_float(samples))[None]
    output: NDArray[np.float32] = inference({"waveform": waveform, "sample_rate": 16_000}).data
    return output


def activity(segmentation: SegmentationModel, samples: Samples, hop: int = HOP) -> NDArray[np.uint8]:
    """What the core makes of it, all spans in one batch."""
    layout = list(spans(len(samples), hop))
    answers = segmentation.activity([AudioOfSpan(samples[span.start : span.stop], hop) for span in layout])
    for span, answer in zip(layout, answers, strict=True):
        assert answer.dtype == np.uint8
        assert answer.shape == (WINDOWS, FRAMES, SPEAKERS)
        assert not answer[span.windows :].any()
    return np.concatenate([answer[: span.windows] for span, answer in zip(layout, answers, strict=True)])


RECORDINGS: dict[str, Callable[[Samples], Samples]] = {
    "31.5 s: the last window incomplete": lambda sample: np.tile(sample, 2)[: int(31.5 * 16_000)],
    "7 s: one incomplete window": lambda sample: sample[7 * 16_000 : 14 * 16_000],
    "10 s: one complete window": lambda sample: sample[10 * 16_000 : 20 * 16_000],
    "10 s and one sample": lambda sample: sample[10 * 16_000 : 20 * 16_000 + 1],
    "0.1 s": lambda sample: sample[8 * 16_000 : 8 * 16_000 + 1_600],
}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_activity_is_that_of_pyannote(
    pipeline: SpeakerDiarization, segmentation: SegmentationModel, sample: Samples, recording: str
) -> None:
    samples = RECORDINGS[recording](sample)
    ours = activity(segmentation, samples)
    assert_nearly_equal(ours, slide(pipeline, samples, HOP))
    assert ours.any()


@pytest.mark.parametrize("hop", HOPS)
def test_windows_are_as_far_apart_as_asked(
    pipeline: SpeakerDiarization, segmentation: SegmentationModel, sample: Samples, hop: int
) -> None:
    samples = sample[6 * 16_000 : 29 * 16_000 + 7]
    ours = activity(segmentation, samples, hop)
    assert_nearly_equal(ours, slide(pipeline, samples, hop))


def test_a_span_does_not_depend_on_its_batch(segmentation: SegmentationModel, sample: Samples) -> None:
    """Nor on the hops of the others in it."""
    batch = [
        AudioOfSpan(np.zeros(5 * 16_000, np.int16), HOP),
        AudioOfSpan(sample, HOP),
        AudioOfSpan(sample[9 * 16_000 : 21 * 16_000], 80_000),
        AudioOfSpan(sample[: 20 * 16_000], 8_000),
    ]
    for span, answer in zip(batch, segmentation.activity(batch), strict=True):
        assert_nearly_equal(answer, segmentation.activity([span])[0])


def test_silence(segmentation: SegmentationModel) -> None:
    assert not activity(segmentation, np.zeros(12 * 16_000, np.int16)).any()


def assert_nearly_equal(ours: NDArray[np.uint8], theirs: NDArray[np.float32] | NDArray[np.uint8]) -> None:
    """Assert that two activities differ in no more than one frame of a thousand."""
    assert ours.shape == theirs.shape
    assert np.mean((ours != theirs).any(axis=2)) <= 0.001
