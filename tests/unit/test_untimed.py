"""Words without a duration take theirs from what is around them."""

from itertools import pairwise
from typing import Any

import pytest

from triologue_server.transcription.untimed import time_untimed


def word(text: str, start: float, end: float) -> dict[str, Any]:
    return {"word": text, "start": start, "end": end, "probability": 0.5}


def times(words: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    return [(word["word"], pytest.approx(word["start"]), pytest.approx(word["end"])) for word in words]


def test_timed_words_stay_as_they_are() -> None:
    words = [word(" one", 0.0, 0.4), word(" two", 0.5, 0.52), word(" three", 2.0, 3.0)]
    assert time_untimed(words) == words


def test_silence_around_them_is_shared_by_length() -> None:
    words = [word(" we", 0.0, 1.0), word(" a", 1.5, 1.5), word(" nine", 1.5, 1.5), word(" left", 2.0, 3.0)]
    assert times(time_untimed(words)) == [
        (" we", 0.0, 1.0),
        (" a", 1.0, 1.2),
        (" nine", 1.2, 2.0),
        (" left", 2.0, 3.0),
    ]


def test_without_silence_the_longer_neighbour_gives_of_its_time() -> None:
    words = [word(" twenty", 0.0, 0.8), word(" 3", 0.8, 0.8), word(" o", 0.8, 0.9)]
    assert times(time_untimed(words)) == [
        (" twenty", 0.0, 0.8 * 6 / 7),
        (" 3", 0.8 * 6 / 7, 0.8),
        (" o", 0.8, 0.9),
    ]
    words = [word(" o", 0.7, 0.8), word(" 3", 0.8, 0.8), word(" twenty", 0.8, 1.5)]
    assert times(time_untimed(words)) == [(" o", 0.7, 0.8), (" 3", 0.8, 0.9), (" twenty", 0.9, 1.5)]


@pytest.mark.parametrize("at", [0, 2])
def test_at_either_end(at: int) -> None:
    words = [word(" one", 1.0, 2.0), word(" two", 2.0, 3.0)]
    words.insert(at, word(" on", 1.0 if at == 0 else 3.0, 1.0 if at == 0 else 3.0))
    timed = time_untimed(words)
    assert all(word["end"] > word["start"] for word in timed)
    assert all(earlier["end"] <= later["start"] + 1e-9 for earlier, later in pairwise(timed))
    assert (timed[0]["start"], timed[-1]["end"]) == (1.0, 3.0)


@pytest.mark.parametrize(
    "words", [[], [word(" so", 4.0, 4.0)], [word(" so", 4.0, 4.0), word(" it", 4.0, 4.0)]]
)
def test_where_nothing_has_a_time_nothing_is_made_up(words: list[dict[str, Any]]) -> None:
    assert time_untimed(words) == words


def test_nothing_is_lost_or_reordered() -> None:
    words = [word(f" {n}", n // 3, n // 3 + (n % 3 == 0) * 0.5) for n in range(12)]
    assert [word["word"] for word in time_untimed(words)] == [word["word"] for word in words]
