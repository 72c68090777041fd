"""A diarization and a transcript, by invented voices of phrases."""

from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from triologue import AsrWord, SpeakerDiarizationSegment, TimeInterval
from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.diarization.diarization import Diarization
from triologue_server.diarization.phrases import Phrase, phrases
from triologue_server.diarization.refinement import refine

PIPELINE: Any = SimpleNamespace(clustering=SimpleNamespace(threshold=0.7))
"""All of a pipeline that is read."""
DIMENSION = 16

Turns = Sequence[SpeakerDiarizationSegment]
Refined = tuple[Diarization, list[AsrWord]]


def word(text: str, start: float, end: float) -> AsrWord:
    return AsrWord(word=text, time_interval=TimeInterval(start=start, end=end), alignment_confidence=0.5)


def turn(speaker: str, start: float, end: float) -> SpeakerDiarizationSegment:
    return SpeakerDiarizationSegment(speaker=speaker, time_interval=TimeInterval(start=start, end=end))


def sentence(start: float, end: float, words: int = 4) -> list[AsrWord]:
    """One word after the other, each as long, the last one with a full stop."""
    bounds = np.linspace(start, end, words + 1).round(3).tolist()
    texts = [" so"] * (words - 1) + [" there."]
    return [word(text, *times) for text, times in zip(texts, pairwise(bounds), strict=True)]


def sounding(who: Sequence[int | None]) -> NDArray[np.float32]:
    """A vector for each phrase; those of two voices are at right angles, `None` has none."""
    vectors = np.eye(DIMENSION, dtype=np.float32)[[0 if voice is None else voice for voice in who]]
    vectors[[voice is None for voice in who]] = np.nan
    return vectors


def refined(
    said: Sequence[tuple[float, float, int | None]],
    turns: Turns,
    exclusive_turns: Turns | None = None,
    voices: dict[str, NDArray[np.float32]] | None = None,
    known: dict[str, NDArray[np.float32]] | None = None,
    **options: Any,
) -> Refined:
    """Refine turns by sentences, given as start, end and voice."""
    found = [Phrase(tuple(sentence(start, end)), False) for start, end, _ in said]
    diarization = Diarization(
        turns=list(turns),
        exclusive_turns=list(turns if exclusive_turns is None else exclusive_turns),
        voices=voices or {},
    )
    embeddings = sounding([voice for _, _, voice in said])
    asked = PyannoteSpeakerDiarizationParams(**options)
    both = refine(PIPELINE, diarization, found, embeddings, asked, known or {})
    assert both is not None
    assert [(one.word, one.time_interval) for one in both[1]] == [
        (one.word, one.time_interval) for phrase in found for one in phrase.words
    ]
    return both


def plain(turns: Turns) -> list[tuple[str, float, float]]:
    return [(one.speaker, one.time_interval.start, one.time_interval.end) for one in turns]


def speakers_of(words: Sequence[AsrWord]) -> list[str | None]:
    """The speaker of every fourth word, which are those of sentences."""
    assert all(one.speaker == words[at - at % 4].speaker for at, one in enumerate(words))
    return [one.speaker for one in words[::4]]


# Two who take turns: 0.1 s between sentences, so that the middle is 0.05 s from each.
CONVERSATION = [(at * 3.0, at * 3.0 + 2.9, at % 2) for at in range(6)]
EDGES = [0.0, 2.95, 5.95, 8.95, 11.95, 14.95, 17.9]


class TestTurns:
    def test_are_divided_where_the_voice_changes(self) -> None:
        """Diarization took two for one."""
        found, words = refined(CONVERSATION, [turn("SPEAKER_00", 0.0, 17.9)])
        expected = [(f"SPEAKER_0{at % 2}", start, end) for at, (start, end) in enumerate(pairwise(EDGES))]
        assert plain(found.turns) == expected
        assert plain(found.exclusive_turns) == expected
        assert speakers_of(words) == ["SPEAKER_00", "SPEAKER_01"] * 3
        assert found.warnings == []

    def test_are_joined_where_it_does_not(self) -> None:
        """Diarization took one for two."""
        turns = [turn(f"SPEAKER_0{at % 2}", start, end) for at, (start, end) in enumerate(pairwise(EDGES))]
        found, words = refined([(start, end, 0) for start, end, _ in CONVERSATION], turns)
        assert plain(found.turns) == plain(found.exclusive_turns) == [("SPEAKER_00", 0.0, 17.9)]
        assert speakers_of(words) == ["SPEAKER_00"] * 6

    def test_that_are_right_stay(self) -> None:
        turns = [turn(f"SPEAKER_0{at % 2}", start, start + 2.9) for at, start in enumerate(range(0, 18, 3))]
        found, words = refined(CONVERSATION, turns)
        assert plain(found.turns) == plain(found.exclusive_turns) == plain(turns)
        assert speakers_of(words) == ["SPEAKER_00", "SPEAKER_01"] * 3

    def test_keep_their_pauses(self) -> None:
        turns = [turn("SPEAKER_00", 0.2, 1.0), turn("SPEAKER_00", 1.5, 4.0), turn("SPEAKER_00", 4.5, 17.0)]
        found, _ = refined(CONVERSATION, turns)
        assert plain(found.turns) == [
            ("SPEAKER_00", 0.2, 1.0),
            ("SPEAKER_00", 1.5, 2.95),
            ("SPEAKER_01", 2.95, 4.0),
            ("SPEAKER_01", 4.5, 5.95),
            *[(f"SPEAKER_0{at % 2}", EDGES[at], EDGES[at + 1]) for at in (2, 3, 4)],
            ("SPEAKER_01", 14.95, 17.0),
        ]

    def test_are_labelled_by_first_appearance(self) -> None:
        """Whoever was the first before."""
        turns = [
            turn(("SPEAKER_01", "SPEAKER_00")[at % 2], start, start + 2.9)
            for at, start in enumerate(range(0, 18, 3))
        ]
        found, words = refined(CONVERSATION, turns)
        assert [one.speaker for one in found.turns] == ["SPEAKER_00", "SPEAKER_01"] * 3
        assert speakers_of(words) == ["SPEAKER_00", "SPEAKER_01"] * 3
        assert list(found.voices) == ["SPEAKER_00", "SPEAKER_01"]
        np.testing.assert_allclose(found.voices["SPEAKER_00"], np.eye(DIMENSION)[0], atol=0.01)
        np.testing.assert_allclose(found.voices["SPEAKER_01"], np.eye(DIMENSION)[1], atol=0.01)

    def test_away_from_phrases_are_whose_their_label_usually_is(self) -> None:
        """Somebody laughs, long after the last word."""
        turns = [
            *(turn(f"SPEAKER_0{at % 2}", start, start + 2.9) for at, start in enumerate(range(0, 18, 3))),
            turn("SPEAKER_00", 60.0, 61.0),
            turn("SPEAKER_01", 70.0, 71.0),
        ]
        found, _ = refined(CONVERSATION, turns)
        assert plain(found.turns)[-2:] == [("SPEAKER_00", 60.0, 61.0), ("SPEAKER_01", 70.0, 71.0)]

    def test_of_a_label_without_phrases_stay_its_own(self) -> None:
        """A third one coughs twice, once while somebody speaks."""
        coughs = [turn("SPEAKER_02", 4.0, 4.4), turn("SPEAKER_02", 30.0, 30.5)]
        turns = [turn("SPEAKER_00", 0.0, 17.9), *coughs]
        voice = np.eye(DIMENSION, dtype=np.float32)[5] * 7.0
        found, words = refined(CONVERSATION, turns, [turns[0], coughs[1]], {"SPEAKER_02": voice})
        assert [one for one in plain(found.turns) if one[0] == "SPEAKER_02"] == plain(coughs)
        assert [one for one in plain(found.exclusive_turns) if one[0] == "SPEAKER_02"] == plain(coughs[1:])
        assert set(speakers_of(words)) == {"SPEAKER_00", "SPEAKER_01"}
        # With the voice that diarization has heard.
        np.testing.assert_array_equal(found.voices["SPEAKER_02"], voice)

    def test_of_who_is_in_none_are_his_phrases(self) -> None:
        """Diarization has heard nothing at the end, where somebody else speaks."""
        said = [(0.0, 2.9, 0), (3.0, 5.9, 0), (20.0, 22.0, 1), (23.0, 25.0, 1)]
        found, words = refined(said, [turn("SPEAKER_00", 0.0, 5.9)])
        expected = [("SPEAKER_00", 0.0, 5.9), ("SPEAKER_01", 20.0, 22.0), ("SPEAKER_01", 23.0, 25.0)]
        assert plain(found.turns) == plain(found.exclusive_turns) == expected
        assert speakers_of(words) == ["SPEAKER_00"] * 2 + ["SPEAKER_01"] * 2


class TestWords:
    def test_have_confidences(self) -> None:
        _, words = refined(CONVERSATION, [turn("SPEAKER_00", 0.0, 17.9)])
        for one in words:
            assert one.speaker_confidence is not None
            assert 0.9 < one.speaker_confidence <= 1.0
            assert one.speaker_confidence == round(one.speaker_confidence, 3)

    def test_say_whether_several_speak(self) -> None:
        """The words of the third sentence last from 6.0 to 8.9 s, a quarter of that each."""
        turns = [turn("SPEAKER_00", 0.0, 17.9), turn("SPEAKER_01", 6.7, 8.2)]
        _, words = refined(CONVERSATION, turns, [turn("SPEAKER_00", 0.0, 17.9)])
        assert [at for at, one in enumerate(words) if one.overlapped] == [9, 10]

    def test_of_several_speakers_are_those_whose_voice_is_heard(self) -> None:
        """Both are said to speak all the time, and nobody alone."""
        turns = [turn("SPEAKER_00", 0.0, 17.9), turn("SPEAKER_01", 0.0, 17.9)]
        _, words = refined(CONVERSATION, turns, [turns[0]])
        assert [one == speakers_of(words)[0] for one in speakers_of(words)] == [True, False] * 3


class TestKnownVoices:
    KNOWN = {  # noqa: RUF012
        "Zoë": np.eye(DIMENSION, dtype=np.float32)[1] * 3.0,
        "Nobody": np.eye(DIMENSION, dtype=np.float32)[9],
    }

    def test_get_their_names(self) -> None:
        found, words = refined(CONVERSATION, [turn("SPEAKER_00", 0.0, 17.9)], known=self.KNOWN)
        assert [one.speaker for one in found.turns] == ["SPEAKER_00", "Zoë"] * 3
        assert [one.speaker for one in found.exclusive_turns] == ["SPEAKER_00", "Zoë"] * 3
        assert speakers_of(words) == ["SPEAKER_00", "Zoë"] * 3
        assert found.known == {"Zoë": pytest.approx(1.0, abs=0.01)}
        assert list(found.voices) == ["SPEAKER_00", "Zoë"]

    def test_that_were_misheard_lose_them(self) -> None:
        """Diarization had given the name to whoever speaks most of the time."""
        found, words = refined(CONVERSATION, [turn("Zoë", 0.0, 17.9)], known=self.KNOWN)
        assert speakers_of(words) == ["SPEAKER_00", "Zoë"] * 3
        assert list(found.known) == ["Zoë"]

    def test_that_say_no_words_keep_them(self) -> None:
        said = [(start, end, 0) for start, end, _ in CONVERSATION]
        turns = [turn("SPEAKER_00", 0.0, 17.9), turn("Zoë", 30.0, 31.0)]
        found, words = refined(said, turns, voices={"Zoë": self.KNOWN["Zoë"]}, known=self.KNOWN)
        assert plain(found.turns) == plain(turns)
        assert found.known == {"Zoë": 1.0}
        assert set(speakers_of(words)) == {"SPEAKER_00"}


class TestNumberOfSpeakers:
    def test_that_is_met(self) -> None:
        found, _ = refined(CONVERSATION, [turn("SPEAKER_00", 0.0, 17.9)], num_speakers=2)
        assert found.warnings == []

    @pytest.mark.parametrize(
        ("options", "wanted"), [({"num_speakers": 40}, "exactly 40"), ({"min_speakers": 40}, "at least 40")]
    )
    def test_that_is_not(self, options: dict[str, int], wanted: str) -> None:
        found, _ = refined(CONVERSATION, [turn("SPEAKER_00", 0.0, 17.9)], **options)
        number = len({one.speaker for one in found.turns})
        assert number < 7
        assert found.warnings == [f"{wanted} speakers were asked for, but {number} could be told apart"]

    @pytest.mark.parametrize("options", [{"num_speakers": 2}, {"max_speakers": 2}])
    def test_leaves_no_room_for_labels_without_phrases(self, options: dict[str, int]) -> None:
        turns = [turn("SPEAKER_00", 0.0, 17.9), turn("SPEAKER_01", 30.0, 30.5)]
        found, words = refined(CONVERSATION, turns, **options)
        assert {one.speaker for one in found.turns} == {"SPEAKER_00", "SPEAKER_01"}
        assert set(speakers_of(words)) == {"SPEAKER_00", "SPEAKER_01"}
        assert found.turns[-1].time_interval == turns[-1].time_interval
        assert found.warnings == []

    def test_of_one_is_everybody(self) -> None:
        turns = [turn("SPEAKER_00", 0.0, 17.9)]
        found, words = refined(CONVERSATION, turns, max_speakers=1)
        assert plain(found.turns) == plain(turns)
        assert speakers_of(words) == ["SPEAKER_00"] * 6


class TestTooLittle:
    def refine(self, said: Sequence[Phrase], turns: Turns, who: Sequence[int | None]) -> Refined | None:
        options = PyannoteSpeakerDiarizationParams()
        diarization = Diarization(turns=list(turns), exclusive_turns=list(turns))
        return refine(PIPELINE, diarization, said, sounding(who), options, {})

    def test_without_words(self) -> None:
        assert self.refine([], [turn("A", 0, 9)], []) is None

    def test_without_turns(self) -> None:
        assert self.refine(list(phrases(sentence(0, 2))), [], [0]) is None

    def test_without_voices(self) -> None:
        assert self.refine(list(phrases(sentence(0, 2))), [turn("A", 0, 9)], [None]) is None

    def test_with_short_words_alone(self) -> None:
        assert self.refine(list(phrases(sentence(0, 0.2))), [turn("A", 0, 9)], [0]) is None


def test_a_threshold_of_the_callers_goes_before_the_pipelines() -> None:
    """All voices are nearer to each other than the greatest threshold."""
    found, _ = refined(CONVERSATION, [turn("SPEAKER_00", 0.0, 17.9)], clustering_threshold=2.0)
    assert plain(found.turns) == [("SPEAKER_00", 0.0, 17.9)]


def thousandths(most: int) -> st.SearchStrategy[float]:
    """Times as diarization and Whisper give them."""
    return st.integers(0, 1000 * most).map(lambda time: time / 1000)


intervals = st.tuples(thousandths(20), thousandths(4) | st.just(0.0) | st.just(3.0)).map(
    lambda two: (two[0], round(two[0] + two[1], 3))
)
drawn_phrases = st.lists(st.tuples(intervals, st.integers(0, 3) | st.none()), min_size=1, max_size=12)
drawn_turns = st.lists(
    st.tuples(intervals.filter(lambda two: two[0] < two[1]), st.sampled_from("ABC")), min_size=1, max_size=12
)


def without_overlap_of_one(found: list[tuple[tuple[float, float], str]]) -> list[SpeakerDiarizationSegment]:
    """Keep turns of which no two of one speaker overlap, in order."""
    kept: list[SpeakerDiarizationSegment] = []
    for (start, end), speaker in sorted(found):
        if all(one.speaker != speaker or one.time_interval.end < start for one in kept):
            kept.append(turn(speaker, start, end))
    return kept


def alone(turns: Turns, chosen: str) -> list[SpeakerDiarizationSegment]:
    """Give each moment to the first of the labels that speaks in it."""
    bounds = sorted({bound for one in plain(turns) for bound in one[1:]})
    exclusive: list[SpeakerDiarizationSegment] = []
    for start, end in pairwise(bounds):
        active = [one for one in chosen if any(a == one and b <= start < c for a, b, c in plain(turns))]
        if not active:
            continue
        last = plain(exclusive[-1:])
        if last and last[0][0] == active[0] and last[0][2] == start:
            exclusive[-1] = turn(active[0], last[0][1], end)
        else:
            exclusive.append(turn(active[0], start, end))
    return exclusive


def covered(turns: Turns) -> list[tuple[float, float]]:
    """The union of turns."""
    joined: list[tuple[float, float]] = []
    for _, start, end in sorted(plain(turns), key=lambda one: one[1:]):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


@given(drawn_phrases, drawn_turns, st.sampled_from(["ABC", "CBA"]), st.booleans())
def test_whatever_comes_in(
    said: list[tuple[tuple[float, float], int | None]],
    found_turns: list[tuple[tuple[float, float], str]],
    chosen: str,
    in_order: bool,
) -> None:
    turns = without_overlap_of_one(found_turns)
    exclusive = alone(turns, chosen)
    said = sorted(said, key=lambda one: one[0]) if in_order else said
    found_phrases = [Phrase((word(" so.", *times),), False) for times, _ in said]
    both = refine(
        PIPELINE,
        Diarization(turns=turns, exclusive_turns=exclusive),
        found_phrases,
        sounding([voice for _, voice in said]),
        PyannoteSpeakerDiarizationParams(),
        {},
    )
    if both is None:
        assert not any(voice is not None and end - start >= 2.0 for (start, end), voice in said)
        return
    diarization, words = both
    # Words in order, once, with their times, and with a speaker who has turns.
    assert [one.time_interval for one in words] == [one.words[0].time_interval for one in found_phrases]
    speaking = {one.speaker for one in diarization.turns}
    assert {one.speaker for one in words} <= speaking
    assert {one.speaker for one in diarization.exclusive_turns} <= speaking
    assert all(0.0 < (one.speaker_confidence or 0.0) <= 1.0 for one in words)
    # Labels by first appearance.
    labels = list(dict.fromkeys(one.speaker for one in diarization.turns))
    assert labels == [f"SPEAKER_{place:02d}" for place in range(len(labels))]
    assert set(diarization.voices) <= set(labels)
    for refined_turns in (diarization.turns, diarization.exclusive_turns):
        times = [(start, end) for _, start, end in plain(refined_turns)]
        assert times == sorted(times)
        assert all(start < end for start, end in times)
    # Nobody speaks over himself, and in exclusive turns over nobody.
    for label in labels:
        own = [one.time_interval for one in diarization.turns if one.speaker == label]
        assert all(one.end < other.start for one, other in pairwise(own))
    alone_times = [one.time_interval for one in diarization.exclusive_turns]
    assert all(one.end <= other.start for one, other in pairwise(alone_times))
    # Somebody speaks when somebody did, and in phrases of those who are in no turn.
    before, after = covered(turns), covered(diarization.turns)
    assert all(any(start <= one and other <= end for start, end in after) for one, other in before)
    assert all(
        any(start <= one and other <= end for start, end in covered([*turns, *map(turn_of, words)]))
        for one, other in after
    )
    # Exclusive turns are a choice of turns.
    for label, start, end in plain(diarization.exclusive_turns):
        assert any(a == label and b <= start and end <= c for a, b, c in plain(diarization.turns))


def turn_of(one: AsrWord) -> SpeakerDiarizationSegment:
    """A turn has a length."""
    start = one.time_interval.start
    return turn("", start, max(one.time_interval.end, round(start + 0.001, 3)))
