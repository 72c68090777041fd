"""Text made up for silence is told by its words, made by hand here."""

from typing import Any

import pytest

from triologue_server.conductor.hallucination import find_made_up, silence_before_made_up

RawSegment = dict[str, Any]
WINDOW = 3_000


def word(start: float, end: float, probability: float = 0.9, text: str = " word") -> dict[str, Any]:
    return {"word": text, "start": start, "end": end, "probability": probability}


def segment(*words: dict[str, Any], start: float = 0.0, end: float = 0.0) -> RawSegment:
    if words:
        start, end = words[0]["start"], words[-1]["end"]
    return {"start": start, "end": end, "words": list(words)}


def said(start: float) -> RawSegment:
    """Five words of 0.3 seconds."""
    return segment(*(word(start + 0.3 * at, start + 0.3 * (at + 1)) for at in range(5)))


def made_up(start: float) -> RawSegment:
    """A word that lasts three seconds, and is improbable."""
    return segment(word(start, start + 3.0, 0.05))


class TestLooksMadeUp:
    """Seen by the silence before a segment, which counts before one that looks made up alone."""

    def looks_made_up(self, *words: dict[str, Any]) -> bool:
        return silence_before_made_up([segment(*words)], 0) > 0.0

    def test_ordinary_words(self) -> None:
        assert not self.looks_made_up(word(4.0, 4.3), word(4.3, 4.9), word(5.0, 7.0))

    @pytest.mark.parametrize(
        "odd",
        [
            pytest.param(word(4.0, 4.4, 0.14), id="improbable"),
            pytest.param(word(4.0, 4.05), id="too short"),
            pytest.param(word(4.0, 7.0), id="too long"),
        ],
    )
    def test_one_odd_word_alone(self, odd: dict[str, Any]) -> None:
        assert self.looks_made_up(odd)
        assert not self.looks_made_up(odd, word(7.0, 7.3))

    @pytest.mark.parametrize(
        "good",
        [
            pytest.param(word(4.0, 4.4, 0.15), id="just probable"),
            pytest.param(word(4.0, 4.133), id="just long enough"),
            pytest.param(word(4.0, 6.0), id="just short enough"),
        ],
    )
    def test_bounds(self, good: dict[str, Any]) -> None:
        assert not self.looks_made_up(good)

    def test_oddness_adds_up(self) -> None:
        """A word half a second too long is half odd. Three odd ones are enough, however many there are."""
        long = [word(4.0 + 2.5 * at, 6.5 + 2.5 * at) for at in range(6)]
        assert not self.looks_made_up(*long[:2])
        assert not self.looks_made_up(*long[:5])
        assert self.looks_made_up(*long)

    def test_no_more_than_eight_words_are_looked_at(self) -> None:
        good = [word(4.0 + 0.3 * at, 4.3 + 0.3 * at) for at in range(8)]
        bad = [word(7.0 + 0.3 * at, 7.3 + 0.3 * at, 0.05) for at in range(4)]
        assert not self.looks_made_up(*good, *bad)
        assert self.looks_made_up(*good[:5], *bad)

    def test_marks_are_no_words(self) -> None:
        odd, mark = word(4.0, 4.4, 0.1), word(4.4, 4.8, text="?")
        assert self.looks_made_up(odd, mark)

    def test_nothing_but_marks(self) -> None:
        """Without a word there is no evidence of speech."""
        assert self.looks_made_up(word(4.0, 4.4, text="。"))


class TestSilenceBefore:
    def test_is_counted_from_the_start_of_the_window(self) -> None:
        assert silence_before_made_up([made_up(64.5)], 6_000) == pytest.approx(4.5)

    def test_counts_before_the_first_segment_alone(self) -> None:
        assert silence_before_made_up([said(2.0), made_up(10.0)], 0) == 0.0

    def test_segments_without_words_are_passed_over(self) -> None:
        assert silence_before_made_up([segment(start=1.0, end=2.0), made_up(4.0)], 0) == pytest.approx(4.0)

    @pytest.mark.parametrize("segments", [[], [segment(start=1.0, end=2.0)]])
    def test_nothing_said(self, segments: list[RawSegment]) -> None:
        assert silence_before_made_up(segments, 0) == 0.0


class TestFindMadeUp:
    """In windows that begin at a minute, with a threshold of a second."""

    def find(self, *segments: RawSegment, last_speech: float = 59.9, frames: int = WINDOW) -> int | None:
        return find_made_up(segments, 1.0, 6_000, frames, last_speech)

    def test_between_silences(self) -> None:
        assert self.find(said(62.5), made_up(66.0), said(74.0)) == 1

    def test_the_first_of_several(self) -> None:
        assert self.find(said(62.5), made_up(66.0), said(74.0), made_up(78.0), said(86.0)) == 1

    def test_nothing_made_up(self) -> None:
        assert self.find(said(62.5), said(66.0), said(74.0)) is None

    def test_no_segments(self) -> None:
        assert self.find() is None

    def test_right_behind_speech(self) -> None:
        assert self.find(said(62.5), made_up(64.5), said(74.0)) is None

    def test_right_before_speech(self) -> None:
        assert self.find(said(62.5), made_up(66.0), said(69.5)) is None

    def test_right_behind_the_speech_of_the_last_window(self) -> None:
        # Further than two seconds from the border.
        assert self.find(made_up(63.0), said(74.0), last_speech=62.5) is None
        assert self.find(made_up(63.0), said(74.0), last_speech=61.5) == 0

    def test_the_start_of_a_window_counts_as_silence(self) -> None:
        assert self.find(made_up(61.9), said(74.0), last_speech=61.8) == 0

    def test_the_start_of_the_recording_counts_as_silence(self) -> None:
        assert find_made_up([made_up(0.5), said(8.0)], 1.0, 0, WINDOW, 0.0) == 0

    def test_the_end_of_a_window_counts_as_silence(self) -> None:
        assert self.find(said(62.5), made_up(86.0), said(89.5)) == 1

    def test_silence_reaches_to_the_end_of_a_short_window(self) -> None:
        assert self.find(said(62.5), made_up(66.0), frames=1_100) == 1
        assert self.find(said(62.5), made_up(66.0), frames=950) is None

    def test_made_up_text_counts_as_silence_before_another(self) -> None:
        assert self.find(said(62.5), made_up(66.0), made_up(69.0), said(72.1)) == 1

    def test_segments_without_words_are_passed_over(self) -> None:
        silent = segment(start=69.0, end=74.0)
        assert self.find(said(62.5), silent, made_up(66.0), silent, said(74.0)) == 2
