"""Whose phrases are, by invented voices, turns, and neighbours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from triologue import AsrWord, TimeInterval
from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.diarization import voices
from triologue_server.diarization.phrases import Phrase
from triologue_server.diarization.voices import Said, tell_phrases_apart

DIMENSION = 24
THRESHOLD = 0.7


def phrases_of(seconds: Sequence[float], continuing: Sequence[int] = ()) -> list[Phrase]:
    """One after the other, half a second apart; `continuing` continue the one before."""
    made, at = [], 0.0
    for number, length in enumerate(seconds):
        interval = TimeInterval(start=at, end=at + length)
        one = AsrWord(word=" so", time_interval=interval, alignment_confidence=0.5)
        made.append(Phrase((one,), number in continuing))
        at += length + 0.5
    return made


def sounding(who: Sequence[int | None], noise: float = 0.03) -> NDArray[np.float32]:
    """A vector for each phrase, near the axis of its voice, and of any length; `None` has none.

    Vectors of one voice have a cosine of nearly 1, those of two voices one of about 0.
    """
    chance = np.random.default_rng(0)
    vectors = np.eye(DIMENSION)[[0 if voice is None else voice for voice in who]]
    vectors += chance.normal(0, noise, vectors.shape)
    vectors *= chance.uniform(0.5, 20.0, (len(who), 1))
    vectors[[voice is None for voice in who]] = np.nan
    return vectors.astype(np.float32)


def turns_of(labels: Sequence[int | None], count: int) -> NDArray[np.float64]:
    """How much of each phrase is each label's: all of one's, or, with `None`, everybody's alike."""
    return np.array([np.full(count, 1 / count) if one is None else np.eye(count)[one] for one in labels])


def tell(
    phrases: Sequence[Phrase], embeddings: NDArray[np.float32], heard: NDArray[np.float64], **options: Any
) -> Said:
    asked = PyannoteSpeakerDiarizationParams(**options)
    said = tell_phrases_apart(phrases, embeddings, heard, THRESHOLD, asked)
    assert said is not None
    assert len(said.speakers) == len(said.confidences) == len(phrases)
    assert ((said.confidences > 0.0) & (said.confidences <= 1.0 + 1e-9)).all()
    np.testing.assert_allclose(np.linalg.norm(said.voices, axis=1), 1.0)
    np.testing.assert_allclose(said.labels.sum(axis=0), 1.0)
    return said


def grouped(said: Said) -> list[int]:
    """Whose each phrase is, with speakers numbered by first appearance."""
    order = list(dict.fromkeys(said.speakers.tolist()))
    return [order.index(speaker) for speaker in said.speakers.tolist()]


CONVERSATION = [0, 1, 0, 0, 1, 0, 1, 1, 0, 1] * 2
LONG = phrases_of([2.0] * len(CONVERSATION))


class TestTwoVoices:
    @pytest.mark.parametrize(
        ("labels", "count"),
        [
            pytest.param(CONVERSATION, 2, id="that turns tell apart too"),
            pytest.param([1 - voice for voice in CONVERSATION], 2, id="under other labels"),
            pytest.param([0] * 20, 1, id="whom turns take for one"),
            pytest.param([0, 1] * 10, 2, id="whom turns mix up"),
            pytest.param([0, 1, 2, 3] * 5, 4, id="whom turns take for four"),
            pytest.param([None] * 20, 2, id="whom turns say nothing about"),
        ],
    )
    def test_are_told_apart(self, labels: list[int | None], count: int) -> None:
        said = tell(LONG, sounding(CONVERSATION), turns_of(labels, count))
        assert grouped(said) == CONVERSATION
        assert said.confidences.min() > 0.9

    def test_are_what_the_speakers_sound_like(self) -> None:
        said = tell(LONG, sounding(CONVERSATION), turns_of(CONVERSATION, 2))
        first, second = said.voices[said.speakers[:2]]
        assert first[0] > 0.99
        assert second[1] > 0.99

    def test_stand_where_labels_are(self) -> None:
        """The first label is mostly the second speaker's; the other one is everybody's alike."""
        said = tell(LONG, sounding(CONVERSATION), turns_of([0 if voice else 1 for voice in CONVERSATION], 2))
        first, second = said.speakers[:2]
        assert said.labels[second, 0] > 0.8
        assert said.labels[first, 1] > 0.8
        said = tell(LONG, sounding(CONVERSATION), turns_of([0] * 20, 1))
        assert said.labels[:, 0] == pytest.approx([0.5, 0.5], abs=0.05)

    def test_in_one_turn_lend_it_no_weight_and_in_two_they_do(self) -> None:
        """Whose a phrase is that sounds like either depends on what its turn has said of others."""
        between = sounding(CONVERSATION)
        between[4] = np.eye(DIMENSION)[0] + np.eye(DIMENSION)[1]
        of_one = tell(LONG, between, turns_of([0] * 20, 1))
        of_two = tell(LONG, between, turns_of(CONVERSATION, 2))
        assert grouped(of_two) == CONVERSATION
        assert of_two.confidences[4] > 0.8
        assert of_one.confidences[4] < of_two.confidences[4] - 0.1

    def test_make_three_with_one_who_says_enough(self) -> None:
        who = [0, 1, 2, 0, 1, 2, 0, 1, 2]
        said = tell(phrases_of([2.0] * 9), sounding(who), turns_of([0] * 9, 1))
        assert grouped(said) == who

    def test_and_a_noise_are_two(self) -> None:
        """What sounds unlike all others for a moment, in minutes of speech, is no speaker."""
        who = [*CONVERSATION * 3, 7]
        said = tell(phrases_of([2.0] * 60 + [0.8]), sounding(who), turns_of([0] * 61, 1))
        assert len(said.voices) == 2
        assert grouped(said)[:60] == CONVERSATION * 3


def test_one_voice_is_one_speaker_whatever_turns_say() -> None:
    said = tell(LONG, sounding([0] * 20), turns_of(CONVERSATION, 2))
    assert grouped(said) == [0] * 20
    assert said.confidences.tolist() == [1.0] * 20


class TestWithoutAVoice:
    WHO = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1)

    @pytest.mark.parametrize(("label", "speaker"), [(0, 0), (1, 1)])
    @pytest.mark.parametrize("seconds", [0.0, 0.2])
    def test_is_whose_turn_it_is(self, seconds: float, label: int, speaker: int) -> None:
        """Between the two, a short phrase whose sound is not known."""
        lengths, who = [2.0] * 11, [*self.WHO[:5], None, *self.WHO[5:]]
        lengths[5] = seconds
        said = tell(phrases_of(lengths), sounding(who), turns_of([*self.WHO[:5], label, *self.WHO[5:]], 2))
        assert grouped(said) == [0] * 5 + [speaker] + [1] * 5

    @pytest.mark.parametrize(("continuing", "speaker"), [(5, 0), (6, 1)])
    def test_is_whose_sentence_it_is(self, continuing: int, speaker: int) -> None:
        """It goes on with the phrase before, or the phrase behind goes on with it."""
        lengths, who = [2.0] * 11, [*self.WHO[:5], None, *self.WHO[5:]]
        lengths[5] = 0.2
        said = tell(phrases_of(lengths, [continuing]), sounding(who), turns_of([0] * 11, 1))
        assert grouped(said) == [0] * 5 + [speaker] + [1] * 5
        assert 0.5 < said.confidences[5] < 0.99

    def test_is_less_certain_than_with_one(self) -> None:
        who = [*self.WHO[:5], None, *self.WHO[5:]]
        said = tell(phrases_of([2.0] * 11), sounding(who), turns_of([0] * 11, 1))
        assert said.confidences.argmin() == 5

    def test_and_too_short_all_of_them(self) -> None:
        asked = PyannoteSpeakerDiarizationParams()
        short, long = phrases_of([0.2] * 4), phrases_of([2.0] * 4)
        heard = turns_of([0] * 4, 1)
        assert tell_phrases_apart(short, sounding([0, 1, 0, 1]), heard, THRESHOLD, asked) is None
        assert tell_phrases_apart(long, sounding([None] * 4), heard, THRESHOLD, asked) is None
        assert tell_phrases_apart(long, sounding([0] * 4), heard, THRESHOLD, asked) is not None


def test_one_phrase() -> None:
    said = tell(phrases_of([2.0]), sounding([3]), turns_of([0], 1))
    assert (said.speakers.tolist(), said.confidences.tolist()) == ([0], [1.0])
    assert said.voices[0, 3] > 0.99


def test_one_long_phrase_among_short_ones() -> None:
    said = tell(phrases_of([0.2, 2.0, 0.2]), sounding([1, 3, None]), turns_of([0, 1, 0], 2))
    assert said.speakers.tolist() == [0, 0, 0]


class TestNumberOfSpeakers:
    # Two who sound alike somewhat, and two others who do too.
    WHO = (0, 1, 2, 3) * 8

    @pytest.fixture
    def alike(self) -> NDArray[np.float32]:
        """Cosines are 0.8 in a pair and 0 otherwise."""
        pairs = np.zeros((4, DIMENSION))
        pairs[[0, 1], 0] = pairs[[2, 3], 1] = 2.0
        pairs[range(4), range(2, 6)] = 1.0
        noise = np.random.default_rng(0).normal(0, 0.02, (32, DIMENSION))
        return (pairs[list(self.WHO)] + noise).astype(np.float32)

    def found(self, alike: NDArray[np.float32], **options: Any) -> list[int]:
        return grouped(tell(phrases_of([2.0] * 32), alike, turns_of([0] * 32, 1), **options))

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, [0, 0, 1, 1]),
            ({"num_speakers": 1}, [0, 0, 0, 0]),
            ({"max_speakers": 1}, [0, 0, 0, 0]),
            ({"num_speakers": 2}, [0, 0, 1, 1]),
            ({"min_speakers": 2, "max_speakers": 3}, [0, 0, 1, 1]),
            ({"min_speakers": 1}, [0, 0, 1, 1]),
            ({"max_speakers": 9}, [0, 0, 1, 1]),
            ({"num_speakers": 4}, [0, 1, 2, 3]),
            ({"min_speakers": 4, "max_speakers": 9}, [0, 1, 2, 3]),
        ],
    )
    def test_is_met(self, alike: NDArray[np.float32], options: dict[str, Any], expected: list[int]) -> None:
        assert self.found(alike, **options) == expected * 8

    @pytest.mark.parametrize("options", [{"num_speakers": 3}, {"min_speakers": 3}])
    def test_of_three_divides_a_pair(self, alike: NDArray[np.float32], options: dict[str, int]) -> None:
        assert self.found(alike, **options) in ([0, 1, 2, 2] * 8, [0, 0, 1, 2] * 8)

    def test_that_cannot_be_met(self) -> None:
        """There are but three phrases."""
        who = [0, 1, 2]
        said = tell(phrases_of([2.0] * 3), sounding(who), turns_of([0] * 3, 1), num_speakers=50)
        assert grouped(said) == who

    def test_a_lower_threshold_tells_more_apart(self, alike: NDArray[np.float32]) -> None:
        phrases, heard = phrases_of([2.0] * 32), turns_of([0] * 32, 1)
        options = PyannoteSpeakerDiarizationParams()
        found = [
            tell_phrases_apart(phrases, alike, heard, threshold, options) for threshold in (0.1, 0.7, 2.0)
        ]
        assert [len(said.voices) for said in found if said] == [4, 2, 1]


def test_of_many_phrases_a_choice_forms_speakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And all of them are told apart."""
    monkeypatch.setattr(voices, "MOST_CLUSTERED", 50)
    sizes = []
    linkage = voices.linkage

    def counted(distances: NDArray[np.float64], **options: Any) -> NDArray[np.float64]:
        sizes.append(len(distances))
        tree: NDArray[np.float64] = linkage(distances, **options)
        return tree

    monkeypatch.setattr(voices, "linkage", counted)
    who = np.random.default_rng(1).integers(0, 3, 1_000)
    said = tell(phrases_of([2.0] * 1_000), sounding(who.tolist()), turns_of([0] * 1_000, 1))
    assert sizes == [50 * 49 // 2]
    assert len(said.voices) == 3
    assert grouped(said) == [list(dict.fromkeys(who.tolist())).index(one) for one in who.tolist()]


def test_is_the_same_every_time() -> None:
    embeddings, heard = sounding(CONVERSATION, noise=0.3), turns_of([0, 1, None, 1] * 5, 2)
    before = embeddings.copy(), heard.copy()
    one, other = tell(LONG, embeddings, heard), tell(LONG, embeddings, heard)
    for name in ("speakers", "confidences", "voices", "labels"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    # What comes in is left as it was.
    np.testing.assert_array_equal(embeddings, before[0])
    np.testing.assert_array_equal(heard, before[1])


lengths = st.floats(0, 12) | st.just(0.0) | st.just(2.0)
heard_anyhow = st.lists(st.floats(0, 1.5), min_size=3, max_size=3).filter(lambda shares: sum(shares) > 0.1)


@given(
    st.lists(st.tuples(lengths, st.integers(0, 3) | st.none(), heard_anyhow, st.booleans()), min_size=1),
    st.sampled_from([{}, {"num_speakers": 2}, {"min_speakers": 3}, {"max_speakers": 1}]),
)
def test_whatever_comes_in_somebody_says_it(
    drawn: list[tuple[float, int | None, list[float], bool]], options: dict[str, int]
) -> None:
    seconds, who, heard, continuing = zip(*drawn, strict=True)
    phrases = phrases_of([round(length, 3) for length in seconds], np.flatnonzero(continuing).tolist())
    asked = PyannoteSpeakerDiarizationParams(**options)
    said = tell_phrases_apart(phrases, sounding(who), np.array(heard), THRESHOLD, asked)
    if said is None:
        assert not any(
            voice is not None and length >= 2.0 for length, voice in zip(seconds, who, strict=True)
        )
        return
    assert ((said.speakers >= 0) & (said.speakers < len(said.voices))).all()
    assert ((said.confidences >= 1 / len(said.voices) - 1e-9) & (said.confidences <= 1.0 + 1e-9)).all()
    assert np.isfinite(said.voices).all()
    assert len(said.voices) <= (options.get("num_speakers") or options.get("max_speakers") or len(phrases))
