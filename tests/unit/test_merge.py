"""The merge of words and speaker turns. Expected values come from hand or from a plain search."""

import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest

from triologue import (
    AsrSegment,
    AsrWord,
    PostProcessingForDiarizedAsr,
    SpeakerDiarizationSegment,
    TimeInterval,
)
from triologue.merge import join_touching_turns

merge_speakers = PostProcessingForDiarizedAsr.process


def word(text: str, start: float, end: float) -> AsrWord:
    return AsrWord(word=text, time_interval=TimeInterval(start=start, end=end), alignment_confidence=0.5)


def words(text: str, start: float = 0.0) -> list[AsrWord]:
    """One word a second: "Hi there." from 0 is " Hi" at 0-1 and " there." at 1-2."""
    return [word(f" {part}", start + at, start + at + 1) for at, part in enumerate(text.split())]


def segment(
    content: list[AsrWord], confidence: float | None = None, no_speech: float | None = None
) -> AsrSegment:
    return AsrSegment(
        text="".join(item.word for item in content),
        time_interval=TimeInterval(start=content[0].time_interval.start, end=content[-1].time_interval.end),
        confidence=confidence,
        no_speech_confidence=no_speech,
        words=content,
    )


def blank_segment(text: str) -> AsrSegment:
    return AsrSegment(text=text, time_interval=TimeInterval(start=0.0, end=1.0))


def turn(speaker: str, start: float, end: float) -> SpeakerDiarizationSegment:
    return SpeakerDiarizationSegment(speaker=speaker, time_interval=TimeInterval(start=start, end=end))


def said(segments: list[AsrSegment]) -> list[tuple[str | None, str]]:
    return [(part.speaker, part.text) for part in segments]


def who(segments: list[AsrSegment]) -> list[str | None]:
    return [item.speaker for part in segments for item in part.words]


class TestInputs:
    def test_no_turns_give_the_transcript_back(self) -> None:
        transcript = [segment(words("Hi there."))]
        assert merge_speakers([], transcript) == transcript

    def test_no_turns_need_no_words(self) -> None:
        assert merge_speakers([], [blank_segment(" Hi.")]) == [blank_segment(" Hi.")]

    def test_no_transcript_stays_empty(self) -> None:
        assert merge_speakers([turn("A", 0, 1)], []) == []

    def test_text_without_words_is_refused(self) -> None:
        transcript = [segment(words("Hi there.")), blank_segment(" Lost.")]
        with pytest.raises(ValueError, match=r"^Word-level timestamps are required for diarized ASR\.$"):
            merge_speakers([turn("A", 0, 9)], transcript)

    def test_blank_segment_without_words_is_no_error(self) -> None:
        transcript = [blank_segment("  "), segment(words("Hi there."))]
        assert said(merge_speakers([turn("A", 0, 9)], transcript)) == [("A", " Hi there.")]

    def test_transcript_of_white_space_comes_back(self) -> None:
        transcript = [segment([word(" ", 0, 1)]), blank_segment("")]
        assert merge_speakers([turn("A", 0, 9)], transcript) == transcript

    def test_inputs_are_left_alone(self) -> None:
        turns = [turn("A", 1, 2), turn("A", 0, 1), turn("B", 2, 4)]
        transcript = [segment(words("Hi there. And you?"), confidence=0.9)]
        before = [item.model_copy(deep=True) for item in (*turns, *transcript)]
        merge_speakers(turns, transcript, merge=True)
        assert [*turns, *transcript] == before


class TestTurns:
    def test_touching_and_overlapping_turns_of_one_speaker_are_joined(self) -> None:
        turns = [turn("A", 0, 1), turn("A", 1, 2), turn("A", 1.5, 3), turn("A", 2, 2.5), turn("A", 3.1, 4)]
        assert join_touching_turns(turns) == [turn("A", 0, 3), turn("A", 3.1, 4)]

    def test_turn_of_another_speaker_in_between_does_not_matter(self) -> None:
        turns = [turn("A", 2, 4), turn("B", 1, 3), turn("A", 0, 2)]
        assert join_touching_turns(turns) == [turn("A", 0, 4), turn("B", 1, 3)]

    def test_turns_are_joined_before_the_merge(self) -> None:
        # A's halves share 1.5 s each with the word, B shares 2 s; A's joined turn shares 3 s.
        turns = [turn("A", 0, 1.5), turn("A", 1.5, 3), turn("B", 1, 3)]
        assert who(merge_speakers(turns, [segment([word(" Well.", 0, 3)])])) == ["A"]


class TestSpeakerOfAWord:
    @pytest.mark.parametrize(
        ("start", "end", "speaker"),
        [
            pytest.param(0.0, 1.0, "A", id="inside one turn"),
            pytest.param(3.0, 5.5, "B", id="1 s of A, 1.5 s of B"),
            pytest.param(2.5, 5.0, "A", id="1.5 s of A, 1 s of B"),
            pytest.param(3.0, 5.0, "B", id="1 s of each; edges of A 3 + 1 s away, of B 1 + 1.5 s"),
            pytest.param(2.0, 2.0, "A", id="no length, inside A"),
            pytest.param(5.0, 5.0, "B", id="no length, inside B"),
            pytest.param(4.0, 4.0, "B", id="no length, where A and B touch; B is shorter"),
            pytest.param(11.0, 11.0, "C", id="no length, inside C and D; C is shorter"),
            pytest.param(10.5, 11.5, "C", id="all of it inside C and D; C is shorter"),
            pytest.param(12.0, 14.0, "D", id="inside D alone"),
            pytest.param(3.0, 2.0, "A", id="ends before it starts, inside A"),
        ],
    )
    def test_largest_overlap_then_nearest(self, start: float, end: float, speaker: str) -> None:
        turns = [turn("A", 0, 4), turn("B", 4, 6.5), turn("C", 10, 12), turn("D", 8, 20), turn("E", 30, 31)]
        # A word without a turn of its own would be E's, as the word before it.
        transcript = [segment([word(" So.", 30, 31), word(" Yes.", start, end)])]
        assert who(merge_speakers(turns, transcript)) == ["E", speaker]

    def test_a_long_turn_is_found_behind_many_short_ones(self) -> None:
        turns = [turn("A", 0, 100), *(turn("B", at, at + 0.5) for at in range(1, 90))]
        assert who(merge_speakers(turns, [segment([word(" Yes.", 95, 96)])])) == ["A"]

    def test_words_without_a_turn_take_the_speaker_before_or_the_first_one(self) -> None:
        # Turns cover the words at 1-2 and 3-4; a turn that only touches the word at 2-3 does not count.
        transcript = [segment(words("Zero. One. Two. Three. Four."))]
        result = merge_speakers([turn("A", 1, 2), turn("B", 3, 4)], transcript)
        assert who(result) == ["A", "A", "A", "B", "B"]

    def test_no_word_in_any_turn_goes_to_the_nearest_turn(self) -> None:
        # Seconds to A and B: 1 and 23, 2 and 3 (though the edges of B are closer), 4 and 1.
        transcript = [segment([word(" One.", 0, 1), word(" Two.", 20, 21), word(" Three.", 22, 23)])]
        assert said(merge_speakers([turn("A", 2, 18), turn("B", 24, 25)], transcript)) == [
            ("A", " One. Two."),
            ("B", " Three."),
        ]

    def test_all_words_after_the_last_turn_are_kept(self) -> None:
        result = merge_speakers([turn("A", 0, 1), turn("B", 2, 3)], [segment(words("Still here.", start=50))])
        assert said(result) == [("B", " Still here.")]

    @pytest.mark.parametrize("mute", [" ", "", " »", '"'])
    def test_white_space_and_closing_quotes_go_with_the_word_before(self, mute: str) -> None:
        # By time the mute word is B's.
        spoken = [word(" Hi.", 0, 1), word(mute, 2, 3), word(" Hello.", 3, 4)]
        assert said(merge_speakers([turn("A", 0, 1), turn("B", 2, 4)], [segment(spoken)])) == [
            ("A", " Hi." + mute),
            ("B", " Hello."),
        ]

    def test_white_space_has_no_speaker_of_its_own(self) -> None:
        spoken = [word(" I", 0, 1), word(" think", 1, 2), word(" ", 2, 3), word(" so.", 3, 4)]
        turns = [turn("A", 0, 1), turn("B", 1, 2), turn("C", 2, 4)]
        assert who(merge_speakers(turns, [segment(spoken)])) == ["A", "B", "B", "C"]

    def test_white_space_outside_all_turns_has_no_speaker_of_its_own(self) -> None:
        spoken = [word(" I", 0, 1), word(" think", 4, 5), word(" ", 8, 9), word(" so.", 12, 13)]
        turns = [turn("A", 1, 2), turn("B", 5, 6), turn("C", 9, 10)]
        assert who(merge_speakers(turns, [segment(spoken)])) == ["A", "B", "B", "C"]

    def test_white_space_does_not_vote(self) -> None:
        spoken = [word(" I", 0, 1), word(" ", 1, 2), word(" think", 2, 3), word(" so.", 3, 4)]
        assert set(who(merge_speakers([turn("A", 0, 2), turn("B", 2, 4)], [segment(spoken)]))) == {"B"}

    def test_white_space_before_the_first_word_goes_with_it(self) -> None:
        spoken = [word(" ", 0, 1), word(" Hi.", 1, 2)]
        assert said(merge_speakers([turn("A", 0, 1), turn("B", 1, 2)], [segment(spoken)])) == [("B", "  Hi.")]


class TestSentences:
    def test_majority_takes_the_sentence(self) -> None:
        result = merge_speakers([turn("A", 0, 1), turn("B", 1, 3)], [segment(words("I think so."))])
        assert said(result) == [("B", " I think so.")]

    def test_two_halves_go_to_who_speaks_first(self) -> None:
        result = merge_speakers([turn("B", 0, 2), turn("A", 2, 4)], [segment(words("I think so too."))])
        assert said(result) == [("B", " I think so too.")]

    def test_exactly_half_is_enough(self) -> None:
        turns = [turn("A", 0, 1), turn("B", 1, 3), turn("C", 3, 4)]
        assert who(merge_speakers(turns, [segment(words("I think so too."))])) == ["B", "B", "B", "B"]

    def test_less_than_half_changes_nothing(self) -> None:
        turns = [turn("A", 0, 1), turn("B", 1, 2), turn("C", 2, 3)]
        assert who(merge_speakers(turns, [segment(words("I think so."))])) == ["A", "B", "C"]

    def test_change_between_sentences_stays(self) -> None:
        result = merge_speakers([turn("A", 0, 2), turn("B", 2, 3)], [segment(words("Are you? Yes."))])
        assert said(result) == [("A", " Are you?"), ("B", " Yes.")]

    def test_last_sentence_needs_no_end_mark(self) -> None:
        result = merge_speakers([turn("A", 0, 2), turn("B", 2, 4)], [segment(words("Sure. I think so"))])
        assert said(result) == [("A", " Sure."), ("B", " I think so")]

    def test_sentence_runs_across_segments(self) -> None:
        transcript = [segment(words("I")), segment(words("think so.", start=1))]
        assert said(merge_speakers([turn("A", 0, 1), turn("B", 1, 3)], transcript)) == [("B", " I think so.")]

    @pytest.mark.parametrize(
        "end", [*".?!。？！…؟।॥۔", '."', ".)", "?»", "? »", "。」", "!” ", ".“", ".\u3000"]
    )
    def test_sentence_marks(self, end: str) -> None:
        # Were it one sentence, A would take it whole.
        spoken = [word(" a", 0, 1), word(f" b{end}", 1, 2), word(" c", 2, 3)]
        assert who(merge_speakers([turn("A", 0, 2), turn("B", 2, 3)], [segment(spoken)])) == ["A", "A", "B"]

    @pytest.mark.parametrize("end", ["", ",", ";", "；", ":", "3.5", ".com", '"'])
    def test_no_sentence_marks(self, end: str) -> None:
        spoken = [word(" a", 0, 1), word(f" b{end}", 1, 2), word(" c", 2, 3)]
        assert who(merge_speakers([turn("A", 0, 2), turn("B", 2, 3)], [segment(spoken)])) == ["A", "A", "A"]

    @pytest.mark.parametrize(
        ("first", "second"), [("你好吗？", "我很好。"), ("كيف حالك؟", "بخير."), ("आप कैसे हैं।", "ठीक।")]
    )
    def test_sentences_of_other_scripts(self, first: str, second: str) -> None:
        # One word a character; were it one sentence, A would take it whole.
        count = len(first)
        spoken = [word(char, at, at + 1) for at, char in enumerate(first + second)]
        turns = [turn("A", 0, count), turn("B", count, 40)]
        assert said(merge_speakers(turns, [segment(spoken)])) == [("A", first), ("B", second)]

    def test_fifty_words_are_a_sentence(self) -> None:
        spoken = words("a " * 49 + "end.")
        assert set(who(merge_speakers([turn("A", 0, 49), turn("B", 49, 50)], [segment(spoken)]))) == {"A"}

    def test_more_than_fifty_words_keep_the_change(self) -> None:
        spoken = words("a " * 50 + "end.")
        result = merge_speakers([turn("A", 0, 50), turn("B", 50, 51)], [segment(spoken)])
        assert who(result) == ["A"] * 50 + ["B"]


class TestSegments:
    def test_segment_of_each_speaker(self) -> None:
        transcript = [segment([word(" Are", 0.1, 0.4), word(" you?", 0.5, 0.9), word(" Yes.", 1.2, 1.7)])]
        result = merge_speakers([turn("A", 0, 1), turn("B", 1, 2)], transcript)
        assert result == [
            AsrSegment(
                text=" Are you?",
                time_interval=TimeInterval(start=0.1, end=0.9),
                words=[
                    word(" Are", 0.1, 0.4).model_copy(update={"speaker": "A"}),
                    word(" you?", 0.5, 0.9).model_copy(update={"speaker": "A"}),
                ],
                speaker="A",
            ),
            AsrSegment(
                text=" Yes.",
                time_interval=TimeInterval(start=1.2, end=1.7),
                words=[word(" Yes.", 1.2, 1.7).model_copy(update={"speaker": "B"})],
                speaker="B",
            ),
        ]

    def test_segment_ends_with_its_latest_word(self) -> None:
        transcript = [segment([word(" One", 0, 5), word(" two.", 1, 2)])]
        assert merge_speakers([turn("A", 0, 5)], transcript)[0].time_interval == TimeInterval(start=0, end=5)

    @pytest.mark.parametrize(
        ("sentences", "sizes"),
        [
            pytest.param([49, 1, 5], [50, 5], id="fifty reached at a sentence end"),
            pytest.param([49, 3, 5], [52, 5], id="fifty reached inside a sentence"),
            pytest.param([49], [49], id="never reached"),
            pytest.param([70, 60, 2], [70, 60, 2], id="long sentences"),
        ],
    )
    def test_full_segment_ends_at_the_next_sentence_end(self, sentences: list[int], sizes: list[int]) -> None:
        spoken = words(" ".join("a " * (size - 1) + "end." for size in sentences))
        result = merge_speakers([turn("A", 0, 1000)], [segment(spoken)])
        assert [len(part.words) for part in result] == sizes

    def test_full_segment_does_not_start_the_next_with_a_closing_quote(self) -> None:
        spoken = [*words("a " * 49 + "end."), word(" »", 50, 51), *words("More.", start=51)]
        result = merge_speakers([turn("A", 0, 1000)], [segment(spoken)])
        assert [part.words[-1].word for part in result] == [" »", " More."]


class TestConfidence:
    def test_comes_from_the_original_most_words_are_closest_to(self) -> None:
        # Distances of the words at 0-1 and 1-2 to the first original: 1, to the second: 7 and 5.
        transcript = [segment(words("Zero one"), 0.9, 0.1), segment(words("two. Three four five.", 2), 0.2)]
        first, second = merge_speakers([turn("A", 0, 3), turn("B", 3, 6)], transcript)
        assert (first.text, first.confidence, first.no_speech_confidence) == (" Zero one two.", 0.9, 0.1)
        assert (second.text, second.confidence, second.no_speech_confidence) == (
            " Three four five.",
            0.2,
            None,
        )

    def test_word_as_close_to_two_originals_counts_for_the_one_that_covers_it(self) -> None:
        # The word at 2-3 is 2 + 1 away from the original at 0-2 and 0 + 3 from the one at 2-6.
        transcript = [segment(words("Zero one."), 0.9), segment(words("Two. Three four five.", 2), 0.2)]
        result = merge_speakers([turn("A", 0, 2), turn("B", 2, 3), turn("C", 3, 6)], transcript)
        assert [(part.text, part.confidence) for part in result] == [
            (" Zero one.", 0.9),
            (" Two.", 0.2),
            (" Three four five.", 0.2),
        ]

    def test_equal_counts_go_to_the_original_that_covers_more_word_time(self) -> None:
        transcript = [segment([word(" Oh", 0, 1)], 0.9), segment([word(" really.", 1, 3)], 0.2)]
        (result,) = merge_speakers([turn("A", 0, 3)], transcript)
        assert result.confidence == 0.2

    def test_equal_counts_and_times_go_to_the_earlier_original(self) -> None:
        transcript = [segment(words("Oh"), 0.9), segment(words("really.", 1), 0.2)]
        (result,) = merge_speakers([turn("A", 0, 3)], transcript)
        assert result.confidence == 0.9

    def test_originals_without_words_do_not_count(self) -> None:
        blank = blank_segment(" ").model_copy(update={"confidence": 0.1})
        (result,) = merge_speakers([turn("A", 0, 9)], [blank, segment(words("Hi there."), 0.9)])
        assert result.confidence == 0.9


class TestJoining:
    transcript = (
        segment(words("a " * 59 + "end."), 0.9, 0.0),
        segment(words("b " * 19 + "end.", start=60), 0.5, None),
    )

    def test_neighbours_of_one_speaker_stay_apart(self) -> None:
        result = merge_speakers([turn("A", 0, 100)], self.transcript)
        assert [(len(part.words), part.confidence) for part in result] == [(60, 0.9), (20, 0.5)]

    def test_neighbours_of_one_speaker_are_joined_on_demand(self) -> None:
        (result,) = merge_speakers([turn("A", 0, 100)], self.transcript, merge=True)
        assert result.text == " a" * 59 + " end." + " b" * 19 + " end."
        assert result.time_interval == TimeInterval(start=0, end=80)
        assert (len(result.words), result.speaker) == (80, "A")
        # (60 * 0.9 + 20 * 0.5) / 80, and the only one that is known.
        assert result.confidence == pytest.approx(0.8)
        assert result.no_speech_confidence == 0.0

    def test_unknown_confidences_stay_unknown(self) -> None:
        (result,) = merge_speakers([turn("A", 0, 100)], [segment(words("a. " * 60))], merge=True)
        assert len(result.words) == 60
        assert (result.confidence, result.no_speech_confidence) == (None, None)

    def test_other_speakers_are_not_joined(self) -> None:
        transcript = [segment(words("Are you? Yes. Oh."))]
        result = merge_speakers([turn("A", 0, 2), turn("B", 2, 3), turn("A", 3, 4)], transcript, merge=True)
        assert said(result) == [("A", " Are you?"), ("B", " Yes."), ("A", " Oh.")]

    def test_text_without_spaces_gets_none(self) -> None:
        spoken = [word("好。", at, at + 1) for at in range(60)]
        (result,) = merge_speakers([turn("A", 0, 100)], [segment(spoken)], merge=True)
        assert result.text == "好。" * 60


def random_turns(chance: random.Random) -> list[SpeakerDiarizationSegment]:
    """Turns on a coarse clock, so that ties, touching turns and turns of no length are common."""
    starts = [chance.randint(0, 40) for _ in range(chance.randint(1, 12))]
    return [turn(chance.choice("ABC"), start, start + chance.randint(0, 10)) for start in starts]


def random_transcript(chance: random.Random, texts: list[str]) -> list[AsrSegment]:
    spoken, now = [word(" Well", 0, 0.5)], 0.5
    for _ in range(chance.randint(0, 120)):
        start = now + chance.choice([0, 0, 0, 0.5])
        now = start + chance.choice([0, 0.5, 1])
        spoken.append(word(chance.choice(texts), start, now))
    cuts = sorted({0, len(spoken), *(chance.randrange(len(spoken)) for _ in range(8))})
    return [segment(spoken[first:stop], first / 200) for first, stop in pairwise(cuts)]


def no_speaker(item: AsrWord) -> AsrWord:
    return item.model_copy(update={"speaker": None})


def shared(one: TimeInterval, other: TimeInterval) -> float:
    return max(0.0, min(one.end, other.end) - max(one.start, other.start))


def apart(one: TimeInterval, other: TimeInterval) -> float:
    return abs(one.start - other.start) + abs(one.end - other.end)


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("seed", range(200))
def test_nothing_is_lost_doubled_or_moved(seed: int, merge: bool) -> None:
    chance = random.Random(seed)
    turns = random_turns(chance)
    transcript = random_transcript(chance, [" a", " a", " b.", "。", "", " ", " c?", " »"])
    result = merge_speakers(turns, transcript, merge=merge)
    spoken = [item for part in transcript for item in part.words]
    assert [no_speaker(item) for part in result for item in part.words] == spoken
    assert "".join(part.text for part in result) == "".join(part.text for part in transcript)
    for part in result:
        assert part.speaker in {"A", "B", "C"}
        assert {item.speaker for item in part.words} == {part.speaker}
        assert part.text == "".join(item.word for item in part.words)
        assert part.text.strip(" »")
    if merge:
        assert all(before.speaker != after.speaker for before, after in pairwise(result))


@pytest.mark.parametrize("seed", range(200))
def test_speakers_agree_with_a_search_through_all_turns(seed: int) -> None:
    chance = random.Random(seed)
    turns = join_touching_turns([turn("A", 0, 1), *random_turns(chance)])
    # Every word is a sentence, and the first one lies in A's turn.
    spoken = [word(" a.", start, start + chance.randint(1, 4)) for start in range(45)]
    expected: list[set[str]] = []
    for item in spoken:
        time = item.time_interval
        most = max(shared(time, other.time_interval) for other in turns)
        best = [other for other in turns if shared(time, other.time_interval) == most]
        least = min(apart(time, other.time_interval) for other in best)
        nearest = {other.speaker for other in best if apart(time, other.time_interval) == least}
        expected.append(nearest if most > 0 else expected[-1])
    result = who(merge_speakers(turns, [segment(spoken)]))
    assert len(result) == len(expected)
    assert all(speaker in allowed for speaker, allowed in zip(result, expected, strict=True))


@pytest.mark.parametrize("seed", range(200))
def test_confidences_agree_with_a_search_through_all_originals(seed: int) -> None:
    chance = random.Random(seed)
    transcript = random_transcript(chance, [" a", " b."])
    chance.shuffle(transcript)
    for part in merge_speakers(random_turns(chance), transcript):
        votes: Counter[float | None] = Counter()
        for item in part.words:
            time = item.time_interval
            nearest = min(
                sorted(transcript, key=lambda other: (other.time_interval.start, other.time_interval.end)),
                key=lambda other: (apart(time, other.time_interval), -shared(time, other.time_interval)),
            )
            votes[nearest.confidence] += 1
        assert votes[part.confidence] == max(votes.values())


def test_importing_the_package_does_not_import_torch() -> None:
    check = "import sys, triologue; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
