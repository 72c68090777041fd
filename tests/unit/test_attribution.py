"""Attribution by words, and what holds for either attribution whatever comes in."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triologue import AsrSegment, AsrWord, SpeakerDiarizationSegment, TimeInterval
from triologue.merge import attribute
from triologue.merge.process import Attribution

both = pytest.mark.parametrize("attribution", ["word", "sentence"])


def word(text: str, start: float, end: float) -> AsrWord:
    return AsrWord(word=text, time_interval=TimeInterval(start=start, end=end), alignment_confidence=0.5)


def segment(words: Sequence[AsrWord], confidence: float | None = None) -> AsrSegment:
    start = words[0].time_interval.start if words else 0.0
    return AsrSegment(
        text="".join(one.word for one in words),
        time_interval=TimeInterval(start=start, end=words[-1].time_interval.end if words else 0.0),
        confidence=confidence,
        words=list(words),
    )


def turn(speaker: str, start: float, end: float) -> SpeakerDiarizationSegment:
    return SpeakerDiarizationSegment(speaker=speaker, time_interval=TimeInterval(start=start, end=end))


def said(segments: Sequence[AsrSegment]) -> list[tuple[str | None, str]]:
    return [(one.speaker, one.text) for one in segments]


def spoken(text: str, start: float = 0.0, seconds: float = 0.5) -> list[AsrWord]:
    """One word after the other, each as long."""
    return [
        word(f" {part}", start + at * seconds, start + (at + 1) * seconds)
        for at, part in enumerate(text.split())
    ]


class TestWord:
    def test_in_one_turn(self) -> None:
        (found,) = attribute([segment(spoken("Good morning everybody."))], [turn("A", 0, 2), turn("B", 2, 9)])
        assert found.speaker == "A"
        assert all(one.speaker == "A" for one in found.words)
        assert all((one.speaker_confidence or 0) > 0.9 for one in found.words)

    def test_a_change_inside_a_sentence_is_kept(self) -> None:
        """Half of the words are each speaker's, and nobody takes them all."""
        words = spoken("so what do you think i think it is fine.")
        found = attribute([segment(words)], [turn("A", 0, 2.5), turn("B", 2.5, 5)])
        assert said(found) == [("A", " so what do you think"), ("B", " i think it is fine.")]

    def test_a_word_that_is_timed_a_little_wrong_stays_with_its_sentence(self) -> None:
        words = [*spoken("We are done."), *spoken("Thank you.", 1.5)]
        found = attribute([segment(words)], [turn("A", 0, 1.25), turn("B", 1.25, 9)])
        assert said(found) == [("A", " We are done."), ("B", " Thank you.")]

    def test_a_word_put_into_the_sentence_of_another(self) -> None:
        words = [*spoken("and then we go on"), word(" Yeah.", 2.6, 2.9), *spoken("to the next point.", 3.0)]
        turns = [turn("A", 0, 2.5), turn("B", 2.5, 3.0), turn("A", 3.0, 5.0)]
        found = attribute([segment(words)], turns)
        assert said(found) == [
            ("A", " and then we go on"),
            ("B", " Yeah."),
            ("A", " to the next point."),
        ]

    def test_outside_of_turns_the_gap_counts_and_not_the_middle(self) -> None:
        """The middle of the long turn is much farther away."""
        found = attribute([segment([word(" Well.", 60.2, 60.5)])], [turn("A", 0, 60), turn("B", 61, 62)])
        assert said(found) == [("A", " Well.")]
        assert (found[0].words[0].speaker_confidence or 0) > 0.5

    @pytest.mark.parametrize("at", [0.0, 1.0, 7.0])
    def test_of_no_length(self, at: float) -> None:
        (found,) = attribute([segment([word(" Hm.", at, at)])], [turn("A", 0, 2), turn("B", 20, 22)])
        assert found.speaker == "A"

    def test_the_likeliest_speaker_alone_decides_where_several_speak(self) -> None:
        turns, words = [turn("A", 0, 4), turn("B", 0, 4)], [segment(spoken("one two three four."))]
        for alone in ("A", "B"):
            (found,) = attribute(words, turns, [turn(alone, 0, 4)])
            assert found.speaker == alone
            assert all(one.overlapped for one in found.words)

    def test_says_whether_several_speak(self) -> None:
        words = spoken("one two three four five six.")
        (found,) = attribute([segment(words)], [turn("A", 0, 3), turn("B", 1.2, 1.9), turn("A", 1.0, 2.0)])
        assert [one.overlapped for one in found.words] == [False, False, True, True, False, False]

    def test_is_less_sure_between_two_speakers(self) -> None:
        words = spoken("one two three four five six")
        found = attribute([segment(words)], [turn("A", 0, 1.5), turn("B", 1.5, 3)])
        sure = [one.speaker_confidence or 0 for part in found for one in part.words]
        assert min(sure) == min(sure[2], sure[3])
        assert sure[0] > sure[2]

    def test_closing_quotes_go_with_the_word_before(self) -> None:
        words = [word(" Yes.", 0, 1), word("”", 1, 1.5), word(" No.", 1.5, 2.5)]
        found = attribute([segment(words)], [turn("A", 0, 1), turn("B", 1, 3)])
        assert said(found) == [("A", " Yes.”"), ("B", " No.")]

    def test_confidences_are_those_of_the_original(self) -> None:
        originals = [segment(spoken("one two three."), 0.9), segment(spoken("four.", 1.5), 0.1)]
        found = attribute(originals, [turn("A", 0, 1.5), turn("B", 1.5, 2)])
        assert [one.confidence for one in found] == [0.9, 0.1]

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            pytest.param(["今天", "天气", "很好", "。"], ["是", "啊", "。"], id="Chinese"),
            pytest.param(["今日は", "晴れ", "です", "。"], ["そう", "ですね", "。"], id="Japanese"),
            pytest.param([" كيف", " حالك", " اليوم؟"], [" بخير", " شكرا."], id="Arabic"),
            pytest.param([" आप", " कैसे", " हैं?"], [" मैं", " ठीक", " हूँ।"], id="Hindi"),
        ],
    )
    @both
    def test_of_any_language(self, first: list[str], second: list[str], attribution: Attribution) -> None:
        texts = [*first, *second]
        words = [word(text, at / 2, at / 2 + 0.5) for at, text in enumerate(texts)]
        middle = len(first) / 2
        turns = [turn("A", 0, middle + 0.2), turn("B", middle + 0.2, 9)]
        found = attribute([segment(words)], turns, (), attribution)
        assert said(found) == [("A", "".join(first)), ("B", "".join(second))]


times = st.tuples(st.floats(0, 30), st.floats(0, 30) | st.just(0.0)).map(
    # Some last, some have no length, and some end before they begin.
    lambda two: TimeInterval(start=two[0], end=two[1] if two[1] > 15 else two[0] + two[1] / 15)
)
texts = st.sampled_from([" yes", " no.", " well,", "”", " ", "好", "。", " why?", " और", " ठीक।", ""])
words_anywhere = st.builds(
    AsrWord, word=texts, time_interval=times, alignment_confidence=st.floats(0, 1), speaker=st.none()
)
segments_anywhere = st.lists(
    st.builds(
        segment,
        st.lists(words_anywhere, max_size=12),
        st.none() | st.floats(0, 1),
    ),
    max_size=5,
)
turns_anywhere = st.lists(
    st.builds(SpeakerDiarizationSegment, speaker=st.sampled_from("ABC"), time_interval=times), max_size=8
)


def words_of(segments: Sequence[AsrSegment]) -> list[AsrWord]:
    return [one for part in segments for one in part.words]


def attributed(segments: Sequence[AsrSegment], turns: Sequence[SpeakerDiarizationSegment]) -> bool:
    return bool(turns) and any(one.word.strip('”"') and one.word.strip() for one in words_of(segments))


@both
@given(segments=segments_anywhere, turns=turns_anywhere, alone=turns_anywhere)
def test_every_word_comes_out_once_and_in_order(
    segments: list[AsrSegment],
    turns: list[SpeakerDiarizationSegment],
    alone: list[SpeakerDiarizationSegment],
    attribution: Attribution,
) -> None:
    found = attribute(segments, turns, alone, attribution)
    assert [(one.word, one.time_interval, one.alignment_confidence) for one in words_of(found)] == [
        (one.word, one.time_interval, one.alignment_confidence) for one in words_of(segments)
    ]


@both
@given(segments=segments_anywhere, turns=turns_anywhere, alone=turns_anywhere)
def test_a_segment_is_one_speaker_s_and_overlaps_no_other_of_theirs(
    segments: list[AsrSegment],
    turns: list[SpeakerDiarizationSegment],
    alone: list[SpeakerDiarizationSegment],
    attribution: Attribution,
) -> None:
    if not attributed(segments, turns):
        return
    found = attribute(segments, turns, alone, attribution)
    speakers = {one.speaker for one in turns}
    for part in found:
        assert part.speaker in speakers
        assert part.text == "".join(one.word for one in part.words)
        assert {one.speaker for one in part.words} == {part.speaker}
        assert part.time_interval.start <= part.time_interval.end
    for speaker in speakers:
        own = [part.time_interval for part in found if part.speaker == speaker]
        assert all(one.end <= following.start for one, following in pairwise(own))


@given(segments=segments_anywhere, turns=turns_anywhere, alone=turns_anywhere)
def test_again_is_the_same(
    segments: list[AsrSegment],
    turns: list[SpeakerDiarizationSegment],
    alone: list[SpeakerDiarizationSegment],
) -> None:
    once = attribute(segments, turns, alone)
    assert attribute(once, turns, alone) == once


@given(segments=segments_anywhere, turns=turns_anywhere)
def test_sentences_again_are_the_same(
    segments: list[AsrSegment], turns: list[SpeakerDiarizationSegment]
) -> None:
    once = attribute(segments, turns, attribution="sentence")
    assert said(attribute(once, turns, attribution="sentence")) == said(once)


@given(segments=segments_anywhere, turns=turns_anywhere, alone=turns_anywhere)
def test_a_confidence_is_a_probability(
    segments: list[AsrSegment],
    turns: list[SpeakerDiarizationSegment],
    alone: list[SpeakerDiarizationSegment],
) -> None:
    if not attributed(segments, turns):
        return
    count = len({one.speaker for one in turns})
    for one in words_of(attribute(segments, turns, alone)):
        assert one.speaker_confidence is not None
        assert round(1 / count, 3) <= one.speaker_confidence <= 1.0
