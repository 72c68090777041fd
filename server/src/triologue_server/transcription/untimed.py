"""Times for words that alignment gives none: it may put several words on one frame."""

from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise
from typing import Any

RawWord = dict[str, Any]
"""A word as faster-whisper hands it around: `word`, `start`, `end` in seconds, `probability`."""

_SHORTEST_SECONDS = 0.02  # one token of Whisper's clock


def time_untimed(words: Sequence[RawWord]) -> list[RawWord]:
    """Return the words of a segment, those without a duration interpolated from their neighbours.

    They share the silence around them by length or, where there is none, the time of the longer neighbour.
    """
    timed = list(words)
    at = 0
    for is_timed, run in groupby(words, _is_timed):
        after = at + len(list(run))
        if not is_timed:
            _interpolate(timed, at, after)
        at = after
    return timed


def _is_timed(word: RawWord) -> bool:
    return bool(word["end"] - word["start"] > _SHORTEST_SECONDS / 2)


def _interpolate(words: list[RawWord], first: int, after: int) -> None:
    """Spread the words from `first` to before `after`."""
    has_left, has_right = first > 0, after < len(words)
    start = words[first - 1]["end"] if has_left else words[first]["start"]
    end = words[after]["start"] if has_right else words[after - 1]["end"]
    if end - start < _SHORTEST_SECONDS * (after - first):
        left = _seconds(words[first - 1]) if has_left else 0.0
        right = _seconds(words[after]) if has_right else 0.0
        if left == right == 0.0:
            return
        if left >= right:
            first, start = first - 1, words[first - 1]["start"]
        else:
            after, end = after + 1, words[after]["end"]
    lengths = [max(1, len(word["word"].strip())) for word in words[first:after]]
    bounds = [start + (end - start) * part / sum(lengths) for part in accumulate(lengths, initial=0)]
    for number, (begin, stop) in enumerate(pairwise(bounds)):
        words[first + number] = {**words[first + number], "start": begin, "end": stop}


def _seconds(word: RawWord) -> float:
    return float(word["end"] - word["start"])
