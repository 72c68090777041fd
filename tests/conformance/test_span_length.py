"""How much audio a span holds is a matter of speed: what is heard hardly depends on it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from tests.conformance.diarizing import Heard, Networks, annotation, error_rate, speakers
from triologue_server.diarization import spans
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.spans import AudioOfSpan

Samples = NDArray[np.int16]

HOP = 80_000
LENGTHS = {10: 1, 20: 3, 30: 5}
"""Windows in a span of so many seconds."""


def spans_of(patch: pytest.MonkeyPatch, seconds: int) -> None:
    patch.setattr(spans, "SPAN_SAMPLES", seconds * 16_000)
    assert spans.windows_of_a_span(HOP) == LENGTHS[seconds]


def test_activity_is_the_same(
    segmentation: SegmentationModel, composed: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 71 seconds of talk, silence and noise."""
    found = {}
    for seconds in LENGTHS:
        spans_of(monkeypatch, seconds)
        layout = list(spans.spans(len(composed), HOP))
        audio = [AudioOfSpan(composed[span.start : span.stop], HOP) for span in layout]
        answers = zip(layout, segmentation.activity(audio), strict=True)
        found[seconds] = np.concatenate([active[: span.windows] for span, active in answers])
    for seconds in (10, 20):
        assert found[seconds].shape == found[30].shape
        assert np.mean((found[seconds] != found[30]).any(axis=2)) <= 0.001


@pytest.fixture(scope="module")
def heard_in(networks: Networks, sample: Samples) -> dict[int, Heard]:
    """What the networks say of 48 seconds of talk, by seconds of a span."""
    heard = {}
    for seconds in LENGTHS:
        with pytest.MonkeyPatch.context() as patch:
            spans_of(patch, seconds)
            heard[seconds] = networks.hear(np.tile(sample[6 * 16_000 :], 2), HOP)
    return heard


@pytest.mark.parametrize("seconds", [10, 20])
def test_voices_are_near(heard_in: dict[int, Heard], seconds: int) -> None:
    """The trunk hears what is around a window, which changes a little."""
    short, full = heard_in[seconds], heard_in[30]
    # Of those who say enough to be told apart, in both.
    enough = (short.activity.sum(axis=1) > 118) & (full.activity.sum(axis=1) > 118)
    one, other = short.embeddings[enough], full.embeddings[enough]
    similarity = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert len(similarity) > 12
    assert similarity.min() > 0.9


@pytest.mark.parametrize("seconds", [10, 20])
def test_turns_are_the_same(pipeline: SpeakerDiarization, heard_in: dict[int, Heard], seconds: int) -> None:
    short, full = (heard_in[length].diarized(pipeline) for length in (seconds, 30))
    assert speakers(short.turns) == speakers(full.turns) == ["SPEAKER_00", "SPEAKER_01"]
    assert error_rate(short.turns, annotation(full.turns), 48.0) <= 0.02
