"""How a transcript is cut into phrases, and how these are laid out for the embedding network."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triologue import AsrWord, TimeInterval
from triologue_server.audio import SAMPLE_RATE
from triologue_server.diarization.phrases import (
    HOP,
    LONGEST_SECONDS,
    Phrase,
    PhrasesOfSpan,
    lay_out,
    phrases,
)
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

    def test_at_a_pause_continue_nothing_although_the_sentence_does(self) -> None:
        assert spoken((" so", 0, 0.5), (" I", 0.8, 1)) == [(" so", False), (" I", False)]

    def test_keep_closing_quotes(self) -> None:
        assert spoken((" Yes.", 0, 0.5), ("”", 0.5, 0.5), (" No.", 0.5, 1)) == [
            (" Yes.”", False),
            (" No.", False),
        ]

    def test_of_words_of_no_length(self) -> None:
        assert spoken((" a", 1, 1), (" b.", 1, 1), (" c", 1, 1)) == [(" a b.", False), (" c", False)]

    def test_that_end_before_they_begin(self) -> None:
        (phrase,) = phrases([word(" well", 5, 4)])
        assert (phrase.start, phrase.end) == (5.0, 5.0)
        # From where the first ended there would be a pause.
        (phrase,) = phrases([word(" well", 5, 4), word(" yes", 5, 4.5)])
        assert (phrase.start, phrase.end) == (5.0, 5.0)

    def test_last_to_the_latest_end(self) -> None:
        (phrase,) = phrases([word(" a", 1, 2.5), word(" b", 1.5, 2)])
        assert (phrase.start, phrase.end) == (1.0, 2.5)


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


def layout_of(*times: tuple[float, float], num_samples: int = HOUR) -> list[PhrasesOfSpan]:
    """The spans of phrases of a word each."""
    return list(lay_out([Phrase((word(" Yes.", *one),), continues=False) for one in times], num_samples))


def places_of(layout: Sequence[PhrasesOfSpan]) -> list[list[tuple[int, int]]]:
    return [span.places for span in layout]


def test_phrases_that_lie_together_share_a_span() -> None:
    (span,) = layout_of(*((at, at + 0.8) for at in range(25)))
    assert len(span.places) == 25
    assert (span.start, span.stop) == (0, round(24.85 * SAMPLE_RATE))


def test_phrases_that_lie_apart_do_not() -> None:
    assert places_of(layout_of((0, 0.8), (40, 40.8))) == [[(0, 0)], [(0, 0)]]


def test_a_phrase_is_heard_with_ten_seconds_of_sound() -> None:
    (span,) = layout_of((12, 13))
    assert (span.start, span.stop, span.places) == (191_200, 351_200, [(0, 0)])
    # 1.1 s, at 58.9 frames a second.
    assert np.flatnonzero(span.activity[0, :, 0]).tolist() == list(range(65))
    assert span.activity.sum() == 65


def test_phrases_that_begin_in_one_second_share_a_window_and_then_take_the_one_before() -> None:
    later = [(12.1 + at / 10, 12.2 + at / 10) for at in range(7)]
    (span,) = layout_of((10, 10.1), *later)
    assert span.places == [(0, 0), (2, 0), (2, 1), (2, 2), (1, 0), (1, 1), (1, 2), (0, 1)]


def test_phrases_for_whom_there_is_no_room_begin_another_span() -> None:
    """All in the first second of a span, where there is but one window."""
    assert [len(span.places) for span in layout_of(*[(0.3, 0.4)] * 8)] == [3, 3, 2]


def test_a_span_ends_after_thirty_seconds() -> None:
    """The first phrase begins with the recording: what ends by 30 s is in its span."""
    first, second = layout_of(*((at, at + 2) for at in range(0, 60, 3)))
    assert len(first.places) == len(second.places) == 10
    assert (first.start, second.start) == (0, 30 * SAMPLE_RATE - 800)


def test_of_a_phrase_that_is_longer_than_a_window_the_beginning_is_heard() -> None:
    first, second = layout_of((5, 6), (6.5, 45), (45, 46))
    assert (first.places, second.places) == ([(0, 0), (1, 0)], [(0, 0)])
    frames = np.flatnonzero(first.activity[1, :, 0])
    assert frames[-1] == FRAMES - 1
    assert len(frames) > 0.9 * FRAMES


def test_times_that_go_backwards() -> None:
    """Before the first phrase of a span there is no window."""
    assert places_of(layout_of((20, 21), (22, 23), (21, 22), (5, 6))) == [[(0, 0), (2, 0), (1, 0)], [(0, 0)]]


def test_past_the_end_of_the_recording_a_sample_is_heard() -> None:
    for span in layout_of((25, 26), (70, 70), num_samples=20 * SAMPLE_RATE):
        assert (span.start, span.stop) == (319_999, 320_000)


def test_a_span_is_there_as_soon_as_a_phrase_does_not_fit_into_it() -> None:
    taken = []

    def come() -> Iterator[Phrase]:
        for at in (0, 40, 80):
            taken.append(at)
            yield Phrase((word(" Yes.", at, at + 1),), continues=False)

    assert next(lay_out(come(), HOUR)).start == 0
    assert taken == [0, 40]
