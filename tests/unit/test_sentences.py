"""Where sentences end."""

import pytest

from triologue.schema import AsrWord, TimeInterval
from triologue.sentences import is_spoken, sentence_ends, sentences, split_sentences


def words(*texts: str) -> list[AsrWord]:
    return [
        AsrWord(word=text, time_interval=TimeInterval(start=at, end=at + 1), alignment_confidence=0.5)
        for at, text in enumerate(texts)
    ]


def split(*texts: str) -> list[str]:
    """Split words into sentences, and give the text of each."""
    return ["".join(word.word for word in sentence) for sentence in split_sentences(words(*texts))]


def test_nothing() -> None:
    assert split() == []


@pytest.mark.parametrize("mark", list(".?!。？！…؟।۔"))
def test_marks(mark: str) -> None:
    assert split(" One", f" two{mark}", " Three") == [f" One two{mark}", " Three"]


def test_last_sentence_needs_no_mark() -> None:
    assert split(" One.", " Two", " three") == [" One.", " Two three"]


@pytest.mark.parametrize("text", [" U.S", " 3.5", " example.com", " Well,", " so;"])
def test_marks_inside_a_word_end_nothing(text: str) -> None:
    assert split(text, " more.") == [f"{text} more."]


@pytest.mark.parametrize("closing", ['"', "'", "”", "»", ")", "」", " ", '")'])
def test_quotes_may_close_behind_the_mark(closing: str) -> None:
    assert split(" He", f" left.{closing}", " Then") == [f" He left.{closing}", " Then"]


def test_closing_quote_of_its_own_goes_with_the_sentence_before_it() -> None:
    assert split("„Komm", " her.", "“", " Sie") == ["„Komm her.“", " Sie"]
    assert sentence_ends(words(" her.", "“", " Sie")) == [False, True, False]


def test_white_space_of_its_own_goes_with_the_sentence_before_it() -> None:
    assert split(" One.", " ", "\u3000", " Two.") == [" One. \u3000", " Two."]


def test_opening_quote_goes_with_the_sentence_behind_it() -> None:
    assert split(" Il", " dit.", " «", " Oui.") == [" Il dit.", " « Oui."]


def test_no_word_is_lost() -> None:
    texts = ["”", " a.", "b", ".", "“", "?", " ", "c"]
    assert [word for sentence in split_sentences(words(*texts)) for word in sentence] == words(*texts)


def test_bounds() -> None:
    assert list(sentences([False, True, True, False])) == [(0, 2), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("text", "spoken"), [(" Hi.", True), (" «", True), ("”", False), (" ", False), ("", False)]
)
def test_is_spoken(text: str, spoken: bool) -> None:
    assert is_spoken(words(text)[0]) is spoken
