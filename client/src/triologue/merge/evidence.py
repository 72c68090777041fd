"""What the times of words and turns say about who speaks each word."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from triologue.merge.spans import Span
from triologue.schema.asr import AsrWord, SpeakerDiarizationSegment

Times = NDArray[np.float64]
"""(words, 2): when each word starts and ends, in seconds."""

UNCERTAINTY_S = 0.1
"""By how much the start and the end of a word may be wrong, in seconds."""
_NEARNESS_S = 0.3  # outside of turns a speaker this much farther away is less likely by a factor of e
_EXCLUSIVE = 0.5  # weight of the likeliest speaker alone, against everybody who speaks
_FAR = 1e6  # seconds, to a turn that does not exist


class Speech:
    """When somebody speaks.

    Args:
        turns: In any order; they may overlap.
    """

    def __init__(self, turns: Iterable[Span]) -> None:
        bounds: list[float] = []
        for turn in sorted(turns):
            if bounds and turn.start <= bounds[-1]:
                bounds[-1] = max(bounds[-1], turn.end)
            else:
                bounds += turn
        self._bounds = np.array(bounds)  # start, end, start, end, ...; rising
        lengths = np.diff(self._bounds, prepend=0.0)
        lengths[::2] = 0.0
        self._spoken = np.cumsum(lengths)  # seconds up to each bound

    def share(self, times: Times) -> NDArray[np.float64]:
        """Return for each word, (words,), in how much of its time there is speech, 0.0 to 1.0."""
        if not len(self._bounds):
            return np.zeros(len(times))
        spoken = np.diff(np.interp(times, self._bounds, self._spoken))[:, 0]
        shares: NDArray[np.float64] = spoken / np.diff(times)[:, 0]
        return shares

    def distance(self, times: Times) -> NDArray[np.float64]:
        """Return the seconds from each word to the nearest speech, (words,); 0 where there is some in it."""
        first, last = self._bounds[::2], self._bounds[1::2]
        following = np.searchsorted(last, times[:, 0])
        after = np.append(first, _FAR)[following] - times[:, 1]
        before = times[:, 0] - np.insert(last, 0, -_FAR)[following]
        distances: NDArray[np.float64] = np.maximum(0.0, np.minimum(after, before))
        return distances


def times_of(words: Sequence[AsrWord]) -> Times:
    """Return when words start and end."""
    bounds = (bound for word in words for bound in Span.of(word))
    return np.fromiter(bounds, np.float64, 2 * len(words)).reshape(-1, 2)


def likelihoods(
    times: Times,
    turns: Iterable[SpeakerDiarizationSegment],
    exclusive_turns: Iterable[SpeakerDiarizationSegment],
) -> tuple[list[str], NDArray[np.float64]]:
    """Return the speakers, sorted, and how much of each word's time is theirs, (words, speakers).

    Args:
        times: Of at least one word.
        turns: At least one.
        exclusive_turns: May be none; then `turns` say it all.
    """
    everybody = _by_speaker(turns)
    alone = _by_speaker(exclusive_turns) or everybody
    wide = times + np.array([-UNCERTAINTY_S, UNCERTAINTY_S])
    silent = Speech(())
    shares = np.stack(
        [
            _EXCLUSIVE * alone.get(speaker, silent).share(wide) + (1 - _EXCLUSIVE) * speech.share(wide)
            for speaker, speech in everybody.items()
        ],
        axis=1,
    )
    return list(everybody), shares + _nearness(times, everybody.values(), shares)


def overlapped(times: Times, turns: Sequence[SpeakerDiarizationSegment]) -> NDArray[np.bool_]:
    """Say for each word, (words,), whether several speak in most of its time."""
    long = np.stack([times[:, 0], np.maximum(times[:, 1], times[:, 0] + UNCERTAINTY_S)], axis=1)
    heard = sum(speech.share(long) for speech in _by_speaker(turns).values())
    several: NDArray[np.bool_] = heard - Speech(map(Span.of, turns)).share(long) > 0.5
    return several


def _by_speaker(turns: Iterable[SpeakerDiarizationSegment]) -> dict[str, Speech]:
    spans: dict[str, list[Span]] = {}
    for turn in turns:
        spans.setdefault(turn.speaker, []).append(Span.of(turn))
    return {speaker: Speech(spans[speaker]) for speaker in sorted(spans)}


def _nearness(times: Times, speeches: Iterable[Speech], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide what of each word lies in no turn among the speakers, by how near they speak."""
    distances = np.stack([speech.distance(times) for speech in speeches], axis=1)
    near = np.exp((distances.min(axis=1, keepdims=True) - distances) / _NEARNESS_S)
    outside = np.maximum(0.0, 1.0 - shares.sum(axis=1, keepdims=True))
    divided: NDArray[np.float64] = outside * near / near.sum(axis=1, keepdims=True)
    return divided
