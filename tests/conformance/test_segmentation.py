"""The segmentation core against pyannote's own sliding inference, window for window."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from triologue_server.audio import to_float
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.spans import FRAMES, SPEAKERS, WINDOWS, spans

Samples = NDArray[np.int16]


def slide(pipeline: SpeakerDiarization, samples: Samples) -> NDArray[np.float32]:
    """What pyannote makes of a recording, (windows, frames, speakers) of 0 or 1."""
    waveform = torch.from_numpy(to_float(samples))[None]
    output: NDArray[np.float32] = pipeline._segmentation({"waveform": waveform, "sample_rate": 16_000}).data
    return output


def activity(segmentation: SegmentationModel, samples: Samples) -> NDArray[np.uint8]:
    """What the core makes of it, all spans in one batch."""
    layout = list(spans(len(samples)))
    answers = segmentation.activity([samples[span.start : span.stop] for span in layout])
    for span, answer in zip(layout, answers, strict=True):
        assert answer.dtype == np.uint8
        assert answer.shape == (WINDOWS, FRAMES, SPEAKERS)
        assert not answer[span.windows :].any()
    return np.concatenate([answer[: span.windows] for span, answer in zip(layout, answers, strict=True)])


RECORDINGS: dict[str, Callable[[Samples], Samples]] = {
    "31.5 s: two spans, the last window incomplete": lambda sample: np.tile(sample, 2)[: int(31.5 * 16_000)],
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
    assert np.array_equal(ours, slide(pipeline, samples))
    assert ours.any()


def test_a_span_does_not_depend_on_its_batch(segmentation: SegmentationModel, sample: Samples) -> None:
    short, silent = sample[9 * 16_000 : 21 * 16_000], np.zeros(5 * 16_000, np.int16)
    together = segmentation.activity([silent, sample, short])
    for samples, answer in zip([silent, sample, short], together, strict=True):
        assert np.array_equal(answer, segmentation.activity([samples])[0])


def test_silence(segmentation: SegmentationModel) -> None:
    assert not activity(segmentation, np.zeros(12 * 16_000, np.int16)).any()
