"""From what the two networks say of the sample to who speaks when, and to what callers are told about it."""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation

from tests.conformance.diarizing import (
    HOP,
    Heard,
    annotation,
    assert_in_order_and_inside,
    error_rate,
    speakers,
)
from triologue_server.diarization.diarization import Diarization
from triologue_server.diarization.pipeline import load_pipeline, without_weights
from triologue_server.diarization.spans import FRAMES, SPEAKERS, hop_of


def test_the_sample(pipeline: SpeakerDiarization, heard: Heard, reference: Annotation) -> None:
    found = heard.diarized(pipeline)
    assert speakers(found.turns) == ["SPEAKER_00", "SPEAKER_01"]
    assert error_rate(found.turns, reference) <= 0.06
    assert found.warnings == []
    assert found.known == {}


def test_turns_are_in_order_and_have_a_length(pipeline: SpeakerDiarization, heard: Heard) -> None:
    found = heard.diarized(pipeline)
    assert_in_order_and_inside(found.turns, 30.0)
    assert_in_order_and_inside(found.exclusive_turns, 30.0)


def test_speakers_are_numbered_in_the_order_in_which_they_appear(
    pipeline: SpeakerDiarization, heard: Heard
) -> None:
    """Also when time runs backwards; then the one who spoke last comes first."""
    backwards = Heard(heard.activity[::-1, ::-1], heard.embeddings[::-1], heard.hop, heard.seconds)
    voices = []
    for each in (heard, backwards):
        found = each.diarized(pipeline)
        assert speakers(found.turns) == ["SPEAKER_00", "SPEAKER_01"]
        voices.append(found.voices)
    assert voices[0].keys() == voices[1].keys()
    last = heard.diarized(pipeline).turns[-1].speaker
    np.testing.assert_allclose(voices[1]["SPEAKER_00"], voices[0][last], rtol=1e-4, atol=1e-5)


class TestExclusiveTurns:
    def test_never_overlap(self, pipeline: SpeakerDiarization, heard: Heard) -> None:
        found = heard.diarized(pipeline)
        intervals = [turn.time_interval for turn in found.exclusive_turns]
        assert all(one.end <= other.start for one, other in pairwise(intervals))
        # In the sample two speak at once, so that they differ.
        assert found.exclusive_turns != found.turns
        assert annotation(found.turns).get_overlap()

    def test_leave_nobody_out_who_speaks_alone(self, pipeline: SpeakerDiarization, heard: Heard) -> None:
        found = heard.diarized(pipeline)
        speech = annotation(found.turns).get_timeline().support()
        assert annotation(found.exclusive_turns).get_timeline().support() == speech
        for turn in annotation(found.exclusive_turns).itertracks(yield_label=True):
            own = annotation(found.turns).label_timeline(turn[2]).support()
            assert own.crop(turn[0]).duration() == pytest.approx(turn[0].duration, abs=0.002)


class TestNumberOfSpeakers:
    @pytest.mark.parametrize("options", [{"num_speakers": 2}, {"min_speakers": 2, "max_speakers": 5}])
    def test_bounds_that_hold_change_nothing(
        self, pipeline: SpeakerDiarization, heard: Heard, options: dict[str, int]
    ) -> None:
        assert_same(heard.diarized(pipeline, **options), heard.diarized(pipeline))

    @pytest.mark.parametrize("options", [{"num_speakers": 1}, {"max_speakers": 1}])
    def test_one(self, pipeline: SpeakerDiarization, heard: Heard, options: dict[str, int]) -> None:
        found = heard.diarized(pipeline, **options)
        assert speakers(found.turns) == ["SPEAKER_00"]
        assert found.warnings == []
        # One after the other: nobody speaks over himself.
        times = [time for turn in found.turns for time in (turn.time_interval.start, turn.time_interval.end)]
        assert times == sorted(times)
        assert found.exclusive_turns == found.turns

    @pytest.mark.parametrize("options", [{"num_speakers": 3}, {"min_speakers": 3}])
    def test_three(self, pipeline: SpeakerDiarization, heard: Heard, options: dict[str, int]) -> None:
        found = heard.diarized(pipeline, **options)
        assert speakers(found.turns) == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]
        assert found.warnings == []

    @pytest.mark.parametrize(
        ("options", "wanted"),
        [
            ({"num_speakers": 90}, "exactly 90"),
            ({"min_speakers": 90}, "at least 90"),
            ({"min_speakers": 90, "max_speakers": 95}, "from 90 to 95"),
        ],
    )
    def test_that_cannot_be_met(
        self, pipeline: SpeakerDiarization, heard: Heard, options: dict[str, int], wanted: str
    ) -> None:
        result = heard.diarized(pipeline, **options)
        found = len(speakers(result.turns))
        assert found < 90
        assert result.warnings == [f"{wanted} speakers were asked for, but {found} could be told apart"]


class TestStep:
    @pytest.mark.parametrize("step", [0.05, 0.1, 0.2, 0.5])
    def test_of_the_window_leaves_two_speakers(
        self,
        pipeline: SpeakerDiarization,
        hear_sample: Callable[[int], Heard],
        reference: Annotation,
        step: float,
    ) -> None:
        found = hear_sample(hop_of(step)).diarized(pipeline, segmentation_step=step)
        assert speakers(found.turns) == ["SPEAKER_00", "SPEAKER_01"]
        assert error_rate(found.turns, reference) < 0.10
        assert_in_order_and_inside(found.turns, 30.0)
        assert_in_order_and_inside(found.exclusive_turns, 30.0)

    def test_as_long_as_the_window_itself(
        self, pipeline: SpeakerDiarization, hear_sample: Callable[[int], Heard], reference: Annotation
    ) -> None:
        found = hear_sample(160_000).diarized(pipeline, num_speakers=2)
        assert speakers(found.turns) == ["SPEAKER_00", "SPEAKER_01"]
        assert error_rate(found.turns, reference) < 0.15


def pauses(found: Diarization, speaker: str) -> list[float]:
    """How long a speaker is silent from turn to turn."""
    own = [turn.time_interval for turn in found.turns if turn.speaker == speaker]
    return [round(other.start - one.end, 3) for one, other in pairwise(own)]


class TestPauses:
    @pytest.mark.parametrize("longest", [0.3, 0.5, 3.0])
    def test_that_are_shorter_are_filled(
        self, pipeline: SpeakerDiarization, heard: Heard, longest: float
    ) -> None:
        found = heard.diarized(pipeline, min_duration_off=0.0)
        filled = heard.diarized(pipeline, min_duration_off=longest)
        assert 0 < len(filled.turns) < len(found.turns)
        for speaker in speakers(found.turns):
            assert pauses(filled, speaker) == [gap for gap in pauses(found, speaker) if gap > longest]
            before, after = (annotation(each.turns).label_timeline(speaker) for each in (found, filled))
            assert after.extent() == before.extent()
            short = sum(gap for gap in pauses(found, speaker) if gap <= longest)
            assert after.duration() == pytest.approx(before.duration() + short, abs=0.02)

    def test_longer_than_the_recording_leave_a_turn_each(
        self, pipeline: SpeakerDiarization, heard: Heard
    ) -> None:
        found = heard.diarized(pipeline, min_duration_off=60.0)
        assert len(found.turns) == len(speakers(found.turns)) == 2

    def test_are_filled_as_the_pipeline_does_by_default(self, embedded: Path, heard: Heard) -> None:
        patient = load_pipeline(embedded)
        plain = heard.diarized(patient)
        assert_same(heard.diarized(patient, min_duration_off=0.0), plain)
        parameters = patient.parameters(instantiated=True)
        patient.instantiate(parameters | {"segmentation": {"min_duration_off": 0.8}})
        assert_same(heard.diarized(patient, min_duration_off=0.8), heard.diarized(patient))
        assert len(heard.diarized(patient).turns) < len(plain.turns)
        assert_same(heard.diarized(patient, min_duration_off=0.0), plain)


class TestVoices:
    def test_are_those_of_the_speakers(self, pipeline: SpeakerDiarization, heard: Heard) -> None:
        found = heard.diarized(pipeline)
        assert list(found.voices) == speakers(found.turns)
        first, second = found.voices.values()
        assert first.shape == second.shape == (192,)
        assert np.isfinite([first, second]).all()
        assert first @ second < 0.7 * np.linalg.norm(first) * np.linalg.norm(second)

    def test_of_who_is_heard_behind_the_end_alone_are_nobodys(self, pipeline: SpeakerDiarization) -> None:
        """The last window reaches past the end, into zeros that the network may hear something in."""
        activity = np.zeros((2, FRAMES, SPEAKERS), np.uint8)
        activity[0, 100:400, 0] = activity[1, 200:450, 1] = 1  # the latter is 13.4 to 17.6 s
        embeddings = np.full((2, SPEAKERS, 192), np.nan, np.float32)
        embeddings[0, 0], embeddings[1, 1] = np.eye(2, 192)
        heard = Heard(activity, embeddings, 160_000, 20.0)
        assert list(heard.diarized(pipeline).voices) == ["SPEAKER_00", "SPEAKER_01"]
        found = replace(heard, seconds=12.0).diarized(pipeline, min_speakers=2)
        assert speakers(found.turns) == ["SPEAKER_00"]
        assert list(found.voices) == ["SPEAKER_00"]
        assert found.warnings == ["at least 2 speakers were asked for, but 1 could be told apart"]


def test_silence(pipeline: SpeakerDiarization) -> None:
    activity = np.zeros((3, FRAMES, SPEAKERS), np.uint8)
    embeddings = np.full((3, SPEAKERS, 192), np.nan, np.float32)
    assert Heard(activity, embeddings, HOP, 12.0).diarized(pipeline) == Diarization()


# pyannote takes the mean of no embeddings, and never looks at it.
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
@pytest.mark.parametrize("is_embedded", [False, True])
def test_too_little_speech_to_tell_apart(pipeline: SpeakerDiarization, is_embedded: bool) -> None:
    """Less than two seconds of anybody in any window, and perhaps so short that it has no embedding."""
    activity = np.zeros((1, FRAMES, SPEAKERS), np.uint8)
    activity[0, 59:90, 0] = 1
    embeddings = np.full((1, SPEAKERS, 192), np.nan, np.float32)
    if is_embedded:
        embeddings[0, 0] = 1.0
    found = Heard(activity, embeddings, HOP, 10.0).diarized(pipeline)
    assert speakers(found.turns) == ["SPEAKER_00"]
    assert found.voices == {}


def test_two_who_always_speak_together_and_have_one_voice(pipeline: SpeakerDiarization) -> None:
    """Somebody is heard who has no voice of their own."""
    activity = np.zeros((1, FRAMES, SPEAKERS), np.uint8)
    activity[0, 100:400, 0] = activity[0, 200:300, 1] = 1
    embeddings = np.full((1, SPEAKERS, 192), np.nan, np.float32)
    embeddings[0, :2] = 1.0
    found = Heard(activity, embeddings, HOP, 10.0).diarized(pipeline)
    assert speakers(found.turns) == ["SPEAKER_00", "SPEAKER_01"]
    assert list(found.voices) == ["SPEAKER_00"]
    assert speakers(found.exclusive_turns) == ["SPEAKER_00"]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_speakers": 1},
    {"num_speakers": 3},
    {"max_speakers": 2},
    {"clustering_threshold": 0.3},
    {"clustering_threshold": 2.0},
    {"segmentation_step": 0.5},
    {"min_duration_off": 1.0},
]


def test_several_threads_at_once(pipeline: SpeakerDiarization, hear_sample: Callable[[int], Heard]) -> None:
    def diarize(options: dict[str, Any]) -> Diarization:
        return hear_sample(hop_of(options.get("segmentation_step", 0.1))).diarized(pipeline, **options)

    expected = [diarize(options) for options in OPTIONS]
    with ThreadPoolExecutor(8) as pool:
        for found, alone in zip(pool.map(diarize, OPTIONS * 4), expected * 4, strict=True):
            assert_same(found, alone)


def test_the_pipeline_is_left_as_it_was(embedded: Path, hear_sample: Callable[[int], Heard]) -> None:
    """What one caller asks for is not what the next one gets."""
    pipeline = load_pipeline(embedded)

    def state() -> dict[str, Any]:
        return copy.deepcopy(pipeline.parameters(instantiated=True)) | vars(pipeline)

    before, clustering = state(), dict(vars(pipeline.clustering))
    for options in OPTIONS:
        hear_sample(hop_of(options.get("segmentation_step", 0.1))).diarized(pipeline, **options)
        assert state() == before, options
        assert vars(pipeline.clustering) == clustering, options


def test_works_without_the_weights(pipeline: SpeakerDiarization, embedded: Path, heard: Heard) -> None:
    empty = without_weights(load_pipeline(embedded))
    for network in (empty._segmentation.model, empty._embedding.model_):
        assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    assert_same(heard.diarized(empty), heard.diarized(pipeline))


def assert_same(one: Diarization, other: Diarization) -> None:
    """Assert that two diarizations are the same in all they say."""
    for voices in (one.voices, other.voices):
        assert set(voices) <= set(speakers(one.turns))
    assert (one.turns, one.exclusive_turns, one.known, one.warnings) == (
        other.turns,
        other.exclusive_turns,
        other.known,
        other.warnings,
    )
    assert list(one.voices) == list(other.voices)
    for label, voice in one.voices.items():
        np.testing.assert_array_equal(voice, other.voices[label])
