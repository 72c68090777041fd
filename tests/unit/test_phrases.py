"""How a transcript is cut into phrases, and how these are laid out for the embedding network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triologue import AsrWord, TimeInterval
from triologue_server.audio import SAMPLE_RATE
from triologue_server.diarization.phrases import HOP, LONGEST_SECONDS, Phrase, lay_out, phrases
from triologue_server.diarization.spans import FRAMES, SPAN_SAMPLES, WINDOW_SECONDS

HOUR = 3600 * SAMPLE_RATE


def word(text: str, start: float, end: float) -> AsrWord:
    return AsrWord(word=text, time_interval=TimeInterval(start=start, end=end), alignment_confidence=0.5)


def spoken(*words: tuple[str, float, float]) -> list[tuple[str, bool]]:
    """The text of each phrase, and whether it goes on with the one before."""
    found = phrases([word(*one) for one in words])
    return [("".join(one.word for one in phrase.words), phrase.continues) for phrase in found]


class TestPhrases:
    def test_end_with_sentences(self) -> None:
        assert spoken((" Hi.", 0, 0.5), (" How", 0.5, 0.8), (" so?", 0.8, 1)) == [
            (" Hi.", False),
            (" How so?", False),
        ]

    def test_end_with_sentences_of_other_scripts(self) -> None:
        assert spoken(("好", 0, 0.5), ("。", 0.5, 0.6), ("是", 0.6, 1)) == [("好。", False), ("是", False)]

    def test_end_at_pauses(self) -> None:
        assert spoken((" well", 0, 0.5), (" I", 0.7, 0.8), (" know", 1.2, 1.5)) == [
            (" well I", False),
            (" know", False),
        ]

    def test_that_would_be_too_long_are_divided(self) -> None:
        words = [(f" {at}", at * 0.5, at * 0.5 + 0.5) for at in range(14)]
        found = spoken(*words)
        assert [text for text, _ in found] == [" 0 1 2 3 4 5", " 6 7 8 9 10 11", " 12 13"]
        assert [continues for _, continues in found] == [False, True, True]

    def test_a_long_word_is_one(self) -> None:
        assert spoken((" Hm", 0, 9), (" yes", 9, 9.2)) == [(" Hm", False), (" yes", True)]

    def test_of_no_words(self) -> None:
        assert list(phrases([])) == []

    def test_that_end_before_they_begin(self) -> None:
        (phrase,) = phrases([word(" well", 5, 4)])
        assert (phrase.start, phrase.end) == (5.0, 5.0)


times = st.tuples(st.floats(0, 100), st.floats(0, 4)).map(lambda one: (one[0], one[0] + one[1]))
anywhere = st.lists(times, max_size=90).map(
    lambda found: [word(" well." if start % 1 < 0.3 else " well", start, end) for start, end in found]
)
in_order = anywhere.map(lambda words: sorted(words, key=lambda one: one.time_interval.start))


@given(anywhere)
def test_every_word_is_in_one_phrase(words: list[AsrWord]) -> None:
    found = list(phrases(words))
    assert [one for phrase in found for one in phrase.words] == words
    for phrase in found:
        assert len(phrase.words) == 1 or phrase.words[-1].time_interval.end - phrase.start <= LONGEST_SECONDS


@given(anywhere | in_order, st.sampled_from([1, SAMPLE_RATE, 60 * SAMPLE_RATE, HOUR]))
def test_every_phrase_is_heard_once_where_it_is(words: list[AsrWord], num_samples: int) -> None:
    found = list(phrases(words))
    laid_out = list(lay_out(found, num_samples))
    assert sum(len(span.places) for span in laid_out) == len(found)
    at = iter(found)
    for span in laid_out:
        assert 0 <= span.start < span.stop <= min(num_samples, span.start + SPAN_SAMPLES)
        assert len(set(span.places)) == len(span.places)
        assert np.count_nonzero(span.activity.any(axis=1)) == len(span.places)
        for window, speaker in span.places:
            frames = np.flatnonzero(span.activity[window, :, speaker])
            offset = (span.start + window * HOP) / SAMPLE_RATE
            first, last = offset + frames[[0, -1]] / FRAMES * WINDOW_SECONDS
            phrase = next(at)
            end = num_samples / SAMPLE_RATE
            # A frame is 0.017 s, and there is room of 0.05 s.
            assert first == pytest.approx(min(max(0, phrase.start - 0.05), end), abs=0.03)
            assert last == pytest.approx(min(phrase.end + 0.05, end, offset + WINDOW_SECONDS), abs=0.03)


def test_phrases_that_lie_together_share_a_span() -> None:
    sentences = [Phrase((word(" Yes.", at, at + 0.8),), continues=False) for at in range(25)]
    (span,) = lay_out(sentences, HOUR)
    assert len(span.places) == 25
    assert (span.start, span.stop) == (0, round(24.85 * SAMPLE_RATE))


def test_phrases_that_lie_apart_do_not() -> None:
    apart = [Phrase((word(" Yes.", at, at + 0.8),), continues=False) for at in (0.0, 40.0)]
    assert len(list(lay_out(apart, HOUR))) == 2
