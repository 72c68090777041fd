"""Clustering and reconstruction by pyannote's own code, from what the two cores say of the sample."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from triologue.schema import PyannoteSpeakerDiarizationParams, SpeakerDiarizationSegment
from triologue_server.diarization.embedding import EmbeddingModel, SpeakersOfSpan
from triologue_server.diarization.pipeline import load_pipeline, speaker_turns, without_weights
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.spans import FRAMES, SPEAKERS

Heard = tuple[NDArray[np.uint8], NDArray[np.float32]]
Turns = list[SpeakerDiarizationSegment]


@pytest.fixture(scope="module")
def heard(segmentation: SegmentationModel, embedding: EmbeddingModel, sample: NDArray[np.int16]) -> Heard:
    """Activity and embeddings of the sample, which is one span."""
    (activity,) = segmentation.activity([sample])
    (embeddings,) = embedding.embed([SpeakersOfSpan(sample, activity)])
    for array in (activity, embeddings):
        array.setflags(write=False)
    return activity, embeddings


def bounds(**numbers: int) -> PyannoteSpeakerDiarizationParams:
    return PyannoteSpeakerDiarizationParams(**numbers)


def speakers(turns: Turns) -> list[str]:
    """In order of first appearance."""
    return list(dict.fromkeys(turn.speaker for turn in turns))


def error_rate(turns: Turns, reference: Annotation) -> float:
    """Diarization error rate without a collar, overlapped speech included."""
    hypothesis = Annotation()
    for number, turn in enumerate(turns):
        hypothesis[Segment(turn.time_interval.start, turn.time_interval.end), number] = turn.speaker
    rate = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    return float(rate(reference, hypothesis, uem=Timeline([Segment(0.0, 30.0)])))


def test_the_sample(pipeline: SpeakerDiarization, heard: Heard, reference: Annotation) -> None:
    turns, warnings = speaker_turns(pipeline, *heard, bounds(), 30.0)
    assert speakers(turns) == ["SPEAKER_00", "SPEAKER_01"]
    assert error_rate(turns, reference) <= 0.06
    assert warnings == []


def test_turns_are_in_order_and_have_a_length(pipeline: SpeakerDiarization, heard: Heard) -> None:
    turns, _ = speaker_turns(pipeline, *heard, bounds(), 30.0)
    times = [(turn.time_interval.start, turn.time_interval.end) for turn in turns]
    assert times == sorted(times)
    assert all(start < end for start, end in times)


@pytest.mark.parametrize("options", [bounds(num_speakers=2), bounds(min_speakers=2, max_speakers=5)])
def test_bounds_that_hold_change_nothing(
    pipeline: SpeakerDiarization, heard: Heard, options: PyannoteSpeakerDiarizationParams
) -> None:
    assert speaker_turns(pipeline, *heard, options, 30.0) == speaker_turns(pipeline, *heard, bounds(), 30.0)


@pytest.mark.parametrize("options", [bounds(num_speakers=1), bounds(max_speakers=1)])
def test_one_speaker(
    pipeline: SpeakerDiarization, heard: Heard, options: PyannoteSpeakerDiarizationParams
) -> None:
    turns, warnings = speaker_turns(pipeline, *heard, options, 30.0)
    assert speakers(turns) == ["SPEAKER_00"]
    assert warnings == []
    # One after the other: nobody speaks over himself.
    times = [time for turn in turns for time in (turn.time_interval.start, turn.time_interval.end)]
    assert times == sorted(times)


@pytest.mark.parametrize("options", [bounds(num_speakers=3), bounds(min_speakers=3)])
def test_three_speakers(
    pipeline: SpeakerDiarization, heard: Heard, options: PyannoteSpeakerDiarizationParams
) -> None:
    turns, warnings = speaker_turns(pipeline, *heard, options, 30.0)
    assert speakers(turns) == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]
    assert warnings == []


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (bounds(num_speakers=90), "exactly 90"),
        (bounds(min_speakers=90), "at least 90"),
        (bounds(min_speakers=90, max_speakers=95), "from 90 to 95"),
    ],
)
def test_bound_that_cannot_be_met(
    pipeline: SpeakerDiarization, heard: Heard, options: PyannoteSpeakerDiarizationParams, wanted: str
) -> None:
    turns, warnings = speaker_turns(pipeline, *heard, options, 30.0)
    found = len(speakers(turns))
    assert found < 90
    assert warnings == [f"{wanted} speakers were asked for, but {found} could be told apart"]


def test_silence(pipeline: SpeakerDiarization) -> None:
    activity = np.zeros((3, FRAMES, SPEAKERS), np.uint8)
    embeddings = np.full((3, SPEAKERS, 192), np.nan, np.float32)
    assert speaker_turns(pipeline, activity, embeddings, bounds(), 30.0) == ([], [])


# pyannote takes the mean of no embeddings, and never looks at it.
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
def test_too_little_speech_to_tell_apart(pipeline: SpeakerDiarization) -> None:
    """Less than two seconds of anybody in any window, and so short that it has no embedding."""
    activity = np.zeros((1, FRAMES, SPEAKERS), np.uint8)
    activity[0, 59:62, 0] = 1
    embeddings = np.full((1, SPEAKERS, 192), np.nan, np.float32)
    turns, _ = speaker_turns(pipeline, activity, embeddings, bounds(), 30.0)
    assert speakers(turns) == ["SPEAKER_00"]


def test_several_threads_at_once(pipeline: SpeakerDiarization, heard: Heard) -> None:
    options = [bounds(), bounds(num_speakers=1), bounds(num_speakers=3), bounds(max_speakers=2)] * 4
    expected = [speaker_turns(pipeline, *heard, each, 30.0) for each in options]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda each: speaker_turns(pipeline, *heard, each, 30.0), options)) == expected


def test_the_pipeline_is_left_as_it_was(pipeline: SpeakerDiarization, heard: Heard) -> None:
    def state() -> dict[str, Any]:
        return {"parameters": pipeline.parameters(instantiated=True), **vars(pipeline)}

    before = state()
    speaker_turns(pipeline, *heard, bounds(num_speakers=1), 30.0)
    assert state() == before


def test_works_without_the_weights(pipeline: SpeakerDiarization, embedded: Path, heard: Heard) -> None:
    empty = without_weights(load_pipeline(embedded))
    for network in (empty._segmentation.model, empty._embedding.model_):
        assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    assert speaker_turns(empty, *heard, bounds(), 30.0) == speaker_turns(pipeline, *heard, bounds(), 30.0)
