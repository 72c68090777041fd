"""Clustering: as pyannote's, of a bounded number of embeddings, and for windows any distance apart."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from tests.conformance.diarizing import HOP, Heard, Networks, speakers
from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.diarization import clustering
from triologue_server.diarization.clustering import NOBODY, Voices, tell_apart
from triologue_server.diarization.spans import FRAMES, SPEAKERS, hop_of

Samples = NDArray[np.int16]


@pytest.fixture
def fresh(pipeline: SpeakerDiarization) -> SpeakerDiarization:
    """One of its own for each test, which shares the networks."""
    own = copy.copy(pipeline)
    own._pipelines = copy.copy(pipeline._pipelines)
    own._pipelines["clustering"] = copy.deepcopy(pipeline.clustering)
    return own


def voices_of(pipeline: SpeakerDiarization, heard: Heard, **options: Any) -> Voices:
    asked = PyannoteSpeakerDiarizationParams(**options)
    return tell_apart(pipeline, heard.activity, heard.embeddings, heard.hop, asked)


def made_up(people: list[int], hop: int = HOP, apart: float = 1.0) -> Heard:
    """One person in each window, who speaks for five seconds.

    Args:
        people: Who it is.
        hop: From one window to the next.
        apart: How different their voices are.
    """
    chance = np.random.default_rng(0)
    activity = np.zeros((len(people), FRAMES, SPEAKERS), np.uint8)
    activity[:, 100:400, 0] = 1
    embeddings = np.full((len(people), SPEAKERS, 192), np.nan, np.float32)
    embeddings[:, 0] = np.eye(192)[0] + apart * np.eye(192)[np.array(people) + 1]
    embeddings[:, 0] += chance.normal(0, 0.01, (len(people), 192))
    return Heard(activity, embeddings, hop, 10.0 + (len(people) - 1) * hop / 16_000)


class TestBound:
    @pytest.mark.parametrize("most", [36, 28, 20])
    def test_the_sample_has_the_same_turns(
        self, fresh: SpeakerDiarization, heard: Heard, monkeypatch: pytest.MonkeyPatch, most: int
    ) -> None:
        """There are 37 embeddings to form clusters from."""
        found = heard.diarized(fresh)
        monkeypatch.setattr(clustering, "MOST_CLUSTERED", most)
        bounded = heard.diarized(fresh)
        assert (bounded.turns, bounded.exclusive_turns) == (found.turns, found.exclusive_turns)
        # It has been put to use: the mean is that of fewer embeddings.
        assert not np.array_equal(bounded.voices["SPEAKER_00"], found.voices["SPEAKER_00"])

    def test_no_more_than_these_are_compared(
        self, fresh: SpeakerDiarization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared = []
        cluster = type(fresh.clustering).cluster

        def counting(self: Any, embeddings: NDArray[Any], *bounds: Any, **more: Any) -> NDArray[Any]:
            compared.append(len(embeddings))
            return cluster(self, embeddings, *bounds, **more)

        monkeypatch.setattr(type(fresh.clustering), "cluster", counting)
        monkeypatch.setattr(clustering, "MOST_CLUSTERED", 50)
        people = [0] * 50 + [1] * 50 + [2] * 50
        speakers_of = voices_of(fresh, made_up(people)).speakers[:, 0]
        assert compared == [50]
        # All are assigned all the same, also those that were left out.
        assert len(set(zip(people, speakers_of.tolist(), strict=True))) == 3
        voices_of(fresh, made_up(people[:50]))
        voices_of(fresh, made_up(people[:49]))
        assert compared == [50, 50, 49]

    def test_choice_is_even(self, fresh: SpeakerDiarization, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who speaks only at the beginning, or only at the end, is in it."""
        monkeypatch.setattr(clustering, "MOST_CLUSTERED", 100)
        found = voices_of(fresh, made_up([0] * 150 + [1] * 700 + [2] * 150))
        assert len(found.centroids) == 3

    @pytest.mark.parametrize(("hop", "most"), [(8_000, 40), (80_000, 8)])
    def test_the_sample_has_the_same_turns_at_any_hop(
        self,
        fresh: SpeakerDiarization,
        hear_sample: Callable[[int], Heard],
        monkeypatch: pytest.MonkeyPatch,
        hop: int,
        most: int,
    ) -> None:
        found = hear_sample(hop).diarized(fresh)
        monkeypatch.setattr(clustering, "MOST_CLUSTERED", most)
        assert hear_sample(hop).diarized(fresh).turns == found.turns


class TestThreshold:
    @pytest.mark.parametrize(("threshold", "low", "high"), [(0.3, 3, 10), (0.7, 2, 2), (2.0, 1, 1)])
    def test_has_an_effect(
        self, fresh: SpeakerDiarization, heard: Heard, threshold: float, low: int, high: int
    ) -> None:
        assert low <= len(voices_of(fresh, heard, clustering_threshold=threshold).centroids) <= high
        found = heard.diarized(fresh, clustering_threshold=threshold)
        assert low <= len(found.voices) <= high
        # Who speaks over the only voice there is has none.
        assert set(found.voices) <= set(speakers(found.turns))

    def test_of_the_pipeline_is_taken_by_default(self, fresh: SpeakerDiarization, heard: Heard) -> None:
        assert fresh.clustering.threshold == 0.7
        plain = heard.diarized(fresh)
        assert heard.diarized(fresh, clustering_threshold=0.7).turns == plain.turns
        fresh.clustering.threshold = 2.0
        assert list(heard.diarized(fresh).voices) == ["SPEAKER_00"]

    def test_is_for_one_request(self, fresh: SpeakerDiarization, heard: Heard) -> None:
        plain = heard.diarized(fresh)
        heard.diarized(fresh, clustering_threshold=2.0)
        assert heard.diarized(fresh).turns == plain.turns

    @pytest.mark.parametrize("number", [2, 4])
    def test_does_not_matter_where_the_number_is_known(
        self, fresh: SpeakerDiarization, heard: Heard, number: int
    ) -> None:
        found = heard.diarized(fresh, clustering_threshold=0.7, num_speakers=number)
        assert len(speakers(found.turns)) == number


class TestSmallClusters:
    """Voices that are heard in few windows are taken for the nearest other one.

    Twelve windows are enough at pyannote's hop of a second, and at others as many as start in twelve seconds.
    """

    @pytest.mark.parametrize(
        ("windows", "hop", "voices"),
        [
            (11, HOP, 1),
            (12, HOP, 2),
            (23, 8_000, 1),
            (24, 8_000, 2),
            (5, 32_000, 1),
            (6, 32_000, 2),
            (1, 80_000, 1),
            (2, 80_000, 2),
            (1, 160_000, 2),
        ],
    )
    def test_are_those_of_fewer_seconds(
        self, fresh: SpeakerDiarization, windows: int, hop: int, voices: int
    ) -> None:
        heard = made_up([0] * 150 + [1] * windows + [0] * 150, hop)
        found = voices_of(fresh, heard)
        assert len(found.centroids) == voices
        assert set(found.speakers[:, 0].tolist()) == set(range(voices))

    def test_size_is_that_of_each_request(self, fresh: SpeakerDiarization) -> None:
        for _ in range(3):
            assert len(voices_of(fresh, made_up([0] * 300 + [1] * 6, 32_000)).centroids) == 2
        assert len(voices_of(fresh, made_up([0] * 300 + [1] * 11)).centroids) == 1


class TestVoices:
    def test_of_who_is_not_active_are_nobodys(self, fresh: SpeakerDiarization, heard: Heard) -> None:
        found = voices_of(fresh, heard)
        active = heard.activity.any(axis=1)
        assert (found.speakers[~active] == NOBODY).all()
        assert set(found.speakers[active].tolist()) == {0, 1}

    def test_are_the_means_of_their_embeddings(self, fresh: SpeakerDiarization) -> None:
        people = [0] * 20 + [1] * 30
        heard = made_up(people)
        found = voices_of(fresh, heard)
        for person in (0, 1):
            own = np.array(people) == person
            (voice,) = set(found.speakers[own, 0].tolist())
            expected = heard.embeddings[own, 0].mean(axis=0)
            np.testing.assert_allclose(found.centroids[voice], expected, atol=1e-5)

    def test_embeddings_are_left_as_they_were(self, fresh: SpeakerDiarization, heard: Heard) -> None:
        """Those of the fixture cannot be written to: it would have failed."""
        assert not heard.embeddings.flags.writeable
        voices_of(fresh, heard)

    def test_as_many_as_can_be_told_apart(self, fresh: SpeakerDiarization) -> None:
        people = [person for person in range(140) for _ in range(12)]
        found = voices_of(fresh, made_up(people))
        assert len(found.centroids) == 140
        assert len(set(zip(people, found.speakers[:, 0].tolist(), strict=True))) == 140

    def test_a_speaker_for_whom_no_voice_is_left_is_nobody(self, fresh: SpeakerDiarization) -> None:
        """Some clusterings give each voice to one speaker of a window at most, and one may be left over."""
        fresh.clustering.constrained_assignment = True
        heard = made_up([0] * 20 + [1] * 20)
        activity, embeddings = heard.activity.copy(), heard.embeddings.copy()
        activity[0, 400:420, 1] = activity[0, 420:430, 2] = 1
        embeddings[0, 1], embeddings[0, 2] = embeddings[30, 0], embeddings[30, 0] + 0.2
        found = voices_of(fresh, Heard(activity, embeddings, HOP, heard.seconds))
        assert set(found.speakers[0].tolist()) == {0, 1, NOBODY}
        assert found.speakers.min() == NOBODY


def test_a_long_recording(fresh: SpeakerDiarization) -> None:
    """Two hours: not all embeddings are compared with each other."""
    people = np.random.default_rng(0).integers(0, 5, 2 * 3_600).tolist()
    assert len(people) > clustering.MOST_CLUSTERED
    found = made_up(people).diarized(fresh)
    assert list(found.voices) == [f"SPEAKER_{number:02d}" for number in range(5)]


@pytest.mark.parametrize("step", [0.1, 0.2])
def test_the_sample_is_the_same_twice(
    fresh: SpeakerDiarization, networks: Networks, sample: Samples, step: float
) -> None:
    first, second = (networks.hear(sample[: 20 * 16_000], hop_of(step)) for _ in range(2))
    assert first.diarized(fresh).turns == second.diarized(fresh).turns
