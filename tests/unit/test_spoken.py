"""What is read as words of speakers, and how transcripts are scored, by hand-worked cases."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meeteval.wer.wer.cp import cp_word_error_rate

from benchmarks.spoken import NOBODY, Spoken, read_ctm, read_stm, score, spoken_by, text_of
from benchmarks.words import Errors
from triologue import AsrSegment, TimeInterval

STM = """;; a comment
meeting 1 ann 2.5 4 there you
meeting A bob 10 12.25 <o,f0,male> I am  here

  meeting 1 ann 0.5 1.0 <O> Hello
meeting 1 bob 13.0 13.5
"""

CTM = """;; a comment
meeting 1 1.5 0.25 world 0.9 lex bob
meeting 1 1.0 0.5 Hello 0.8 lex ann

call A 2.0 0.5 you
call B 3 1 there 0.5
"""


def said(*found: tuple[str, str]) -> list[Spoken]:
    """What speakers say one after the other, a second each."""
    return [Spoken(speaker, at, at + 1.0, text) for at, (speaker, text) in enumerate(found)]


class TestStm:
    def test_holds_who_says_what(self, tmp_path: Path) -> None:
        path = tmp_path / "a.stm"
        path.write_text(STM)
        assert read_stm(path) == [
            Spoken("ann", 2.5, 4.0, "there you"),
            Spoken("bob", 10.0, 12.25, "I am  here"),
            Spoken("ann", 0.5, 1.0, "Hello"),
            Spoken("bob", 13.0, 13.5, ""),
        ]

    def test_may_hold_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "a.stm"
        path.write_text("")
        assert read_stm(path) == []

    @pytest.mark.parametrize("line", ["a 1 ann 0.5", "a 1 ann soon 1.0 Hello"])
    def test_a_line_that_is_none_is_told(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "a.stm"
        path.write_text(f"{STM}{line}\n")
        with pytest.raises(ValueError, match=r"a\.stm, line 7 does not say who says what: a 1 ann"):
            read_stm(path)


class TestCtm:
    def test_holds_who_says_each_word(self, tmp_path: Path) -> None:
        """Without a column for speakers, channels are."""
        path = tmp_path / "a.ctm"
        path.write_text(CTM)
        assert read_ctm(path) == [
            Spoken("bob", 1.5, 1.75, "world"),
            Spoken("ann", 1.0, 1.5, "Hello"),
            Spoken("A", 2.0, 2.5, "you"),
            Spoken("B", 3.0, 4.0, "there"),
        ]

    @pytest.mark.parametrize("line", ["a 1 0.5 0.5", "a 1 0.5 long Hello"])
    def test_a_line_that_is_none_is_told(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "a.ctm"
        path.write_text(f"{CTM}{line}\n")
        with pytest.raises(ValueError, match=r"a\.ctm, line 7 does not say who says what: a 1 0\.5"):
            read_ctm(path)


class TestTranscript:
    def test_says_what_its_segments_say(self) -> None:
        def segment(text: str, start: float, speaker: str | None) -> AsrSegment:
            return AsrSegment(
                text=text, time_interval=TimeInterval(start=start, end=start + 1), speaker=speaker
            )

        assert spoken_by([segment(" Hello.", 0.0, "SPEAKER_00"), segment(" Oh.", 2.0, None)]) == [
            Spoken("SPEAKER_00", 0.0, 1.0, " Hello."),
            Spoken(NOBODY, 2.0, 3.0, " Oh."),
        ]

    def test_is_read_in_order_of_time(self) -> None:
        spoken = [
            Spoken("B", 10.0, 12.0, "last"),
            Spoken("A", 1.0, 9.0, "first  of all"),
            Spoken("B", 2.0, 3.0, "mm"),
        ]
        assert text_of(spoken) == "first of all mm last"


# The first says 4 words, the second 2, and then the first another one.
REFERENCE = said(("ann", "a b c d"), ("bob", "e f"), ("ann", "g"))


class TestScore:
    def test_of_what_is_right_is_nothing(self) -> None:
        found = score(REFERENCE, REFERENCE, None)
        assert (found.words, found.attributed, found.confused) == (Errors(0, 7), Errors(0, 7), Errors(0, 7))
        assert (found.speakers, found.in_reference) == (2, 2)

    def test_labels_do_not_matter(self) -> None:
        swapped = said(("bob", "a b c d"), ("ann", "e f"), ("bob", "g"))
        found = score(REFERENCE, swapped, None)
        assert (found.attributed.wrong, found.confused.wrong) == (0, 0)

    def test_a_word_of_the_wrong_speaker_is_left_out_there_and_put_in_here(self) -> None:
        heard = said(("x", "a b c"), ("y", "d e f"), ("x", "g"))
        found = score(REFERENCE, heard, None)
        assert (found.words, found.attributed, found.confused) == (Errors(0, 7), Errors(2, 7), Errors(1, 7))

    def test_a_word_that_is_taken_for_another_has_a_speaker_too(self) -> None:
        """`z` for `d` is one wrong word of the right speaker, and here of the wrong one."""
        right = score(REFERENCE, said(("x", "a b c z"), ("y", "e f"), ("x", "g")), None)
        assert (right.words.wrong, right.attributed.wrong, right.confused) == (1, 1, Errors(0, 7))
        wrong = score(REFERENCE, said(("x", "a b c"), ("y", "z e f"), ("x", "g")), None)
        assert (wrong.words.wrong, wrong.attributed.wrong, wrong.confused) == (1, 2, Errors(1, 7))

    def test_words_left_out_and_put_in_have_no_speaker(self) -> None:
        found = score(REFERENCE, said(("x", "a b d"), ("y", "e f h"), ("x", "g")), None)
        assert (found.words, found.attributed, found.confused) == (Errors(2, 7), Errors(2, 7), Errors(0, 6))

    def test_a_speaker_who_is_not_told_apart(self) -> None:
        """Two words are missing of bob's, and are too many of ann's."""
        found = score(REFERENCE, said(("x", "a b c d e f g")), None)
        assert (found.words, found.attributed, found.confused) == (Errors(0, 7), Errors(4, 7), Errors(2, 7))
        assert (found.speakers, found.in_reference) == (1, 2)

    def test_a_speaker_too_many(self) -> None:
        """`g` is missing of ann's, and there is somebody with a word who does not exist."""
        found = score(REFERENCE, said(("x", "a b c d"), ("y", "e f"), ("z", "g")), None)
        assert (found.words, found.attributed, found.confused) == (Errors(0, 7), Errors(2, 7), Errors(1, 7))
        assert (found.speakers, found.in_reference) == (3, 2)

    def test_nobody_is_no_speaker_but_has_words(self) -> None:
        found = score(REFERENCE, said(("x", "a b c d"), ("y", "e f"), (NOBODY, "g")), None)
        assert (found.attributed.wrong, found.confused.wrong, found.speakers) == (2, 1, 2)

    def test_of_silence(self) -> None:
        nothing = score([], [], "en")
        assert (nothing.words, nothing.attributed, nothing.confused) == (Errors(), Errors(), Errors())
        assert (nothing.speakers, nothing.in_reference) == (0, 0)
        unheard = score(REFERENCE, [], None)
        assert (unheard.words, unheard.attributed, unheard.confused) == (Errors(7, 7), Errors(7, 7), Errors())
        made_up = score([], said(("x", "thank you"), ("y", "bye")), None)
        assert (made_up.words, made_up.attributed, made_up.confused) == (Errors(3, 0), Errors(3, 0), Errors())

    def test_who_speaks_over_somebody_else_is_read_after_them(self) -> None:
        """So one that is cut where the other speaks has its words in another order, which WER alone minds."""
        reference = [Spoken("ann", 0.0, 4.0, "a b c d"), Spoken("bob", 1.0, 2.0, "x")]
        same = [Spoken("1", 0.1, 3.9, "a b c d"), Spoken("2", 1.2, 1.9, "x")]
        assert score(reference, same, None).words.wrong == 0
        cut = [Spoken("1", 0.1, 1.2, "a b"), Spoken("2", 1.2, 1.9, "x"), Spoken("1", 2.0, 3.9, "c d")]
        found = score(reference, cut, None)
        assert (found.words.wrong, found.attributed.wrong, found.confused) == (2, 0, Errors(0, 4))

    def test_the_order_in_which_it_is_given_does_not_matter(self) -> None:
        assert score(REFERENCE[::-1], REFERENCE, None) == score(REFERENCE, REFERENCE, None)

    def test_english_is_compared_as_it_sounds(self) -> None:
        reference = said(("ann", "Uh, I'm twenty five."), ("bob", "Mm-hmm. Colour?"))
        heard = said(("x", "I am 25"), ("y", "color"))
        assert score(reference, heard, "en").attributed == Errors(0, 4)
        assert score(reference, heard, "de").attributed.wrong > 0

    def test_words_one_by_one_are_a_text(self) -> None:
        """As those of a CTM file are."""
        reference = said(("ann", "twenty"), ("ann", "five"), ("bob", "do"), ("bob", "n't"))
        found = score(reference, said(("x", "25"), ("y", "don't")), "en")
        assert (found.attributed, found.confused) == (Errors(0, 3), Errors(0, 3))

    def test_characters_are_words_where_there_are_no_spaces(self) -> None:
        found = score(said(("ann", "今日は"), ("bob", "晴れ")), said(("x", "今日。は晴"), ("y", "れ")), "ja")
        assert (found.words, found.attributed, found.confused) == (Errors(0, 5), Errors(2, 5), Errors(1, 5))

    def test_several_add_up(self) -> None:
        one = score(REFERENCE, said(("x", "a b c d e f g")), None)
        both = one + score(REFERENCE, REFERENCE, None)
        assert (both.words, both.attributed, both.confused) == (Errors(0, 14), Errors(4, 14), Errors(2, 14))
        assert (both.speakers, both.in_reference) == (3, 4)
        assert both.confused.percent == pytest.approx(100 / 7)

    def test_there_is_no_most_of_speakers(self) -> None:
        many = said(*((f"S{number}", f"w{number}") for number in range(40)))
        assert score(many, many[::-1], None).attributed == Errors(0, 40)


@settings(deadline=None)
@given(*[st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=4)] * 2)
def test_errors_of_speakers_are_those_of_meeteval(
    reference: Sequence[Sequence[str]], heard: Sequence[Sequence[str]]
) -> None:
    wanted, found = (
        said(*((str(number), " ".join(words)) for number, words in enumerate(speakers)))
        for speakers in (reference, heard)
    )
    theirs = cp_word_error_rate(*([" ".join(words) for words in speakers] for speakers in (reference, heard)))
    assert score(wanted, found, None).attributed == Errors(theirs.errors, theirs.length)
