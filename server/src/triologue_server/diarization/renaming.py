"""Turns, divided and renamed by the phrases that are said in them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from triologue.schema import SpeakerDiarizationSegment
from triologue_server.diarization.reconstruction import Turn
from triologue_server.diarization.voices import Said

_NEAR_SECONDS = 1.0  # a phrase says who speaks so long before and after it
_SHORTEST_SECONDS = 0.001  # of a turn


class Renaming:
    """Says whose turns are, by the phrases said in them.

    Args:
        times: (phrases, 2): when each begins and ends, in seconds.
        labels: Of the turns.
        heard: (phrases, labels): how much of each phrase's time is each label's.
        said: Who says the phrases.
        room: How many others there may be who say none.
    """

    def __init__(
        self,
        times: NDArray[np.float64],
        labels: Sequence[str],
        heard: NDArray[np.float64],
        said: Said,
        room: int,
    ) -> None:
        self._times = times
        self._said = said.speakers
        self._labels = {label: at for at, label in enumerate(labels)}
        self._main = heard.argmax(axis=1)
        # Between two phrases, each reaches up to the middle.
        self._edges = np.maximum.accumulate((times[:-1, 1] + times[1:, 0]) / 2)
        # Away from phrases a label is whom it mostly stands for; one that says nothing is somebody else.
        self._usual = said.labels.argmax(axis=0).tolist()
        for at in np.setdiff1d(np.arange(len(labels)), self._main)[: max(0, room)].tolist():
            self._usual[at] = len(said.voices) + at
        self._parts: dict[str, list[Turn]] = {label: [] for label in labels}
        self._unheard: list[Turn] = []

    def turns(self, turns: Sequence[SpeakerDiarizationSegment]) -> list[Turn]:
        """Return turns by speaker, in order of time; who is in none of them gets one for each phrase."""
        for turn in turns:
            self._parts[turn.speaker] += self._parts_of(turn)
        parts = list(chain.from_iterable(self._parts.values()))
        speaking = {speaker for _, _, speaker in parts}
        self._unheard = [
            (start, max(end, round(start + _SHORTEST_SECONDS, 3)), speaker)
            for (start, end), speaker in zip(self._times.tolist(), self._said.tolist(), strict=True)
            if speaker not in speaking
        ]
        return sorted(_joined(parts + self._unheard))

    def exclusive_turns(self, turns: Sequence[SpeakerDiarizationSegment]) -> list[Turn]:
        """Return the same of exclusive turns, once `turns` has been told of all."""
        parts: list[Turn] = []
        for turn in turns:
            start, end = turn.time_interval.start, turn.time_interval.end
            parts += [
                (max(begin, start), min(stop, end), speaker)
                for begin, stop, speaker in _between(self._parts[turn.speaker], start, end)
            ]
        parts.sort()
        return sorted(_joined(parts + list(_outside(sorted(self._unheard), parts))))

    def _parts_of(self, turn: SpeakerDiarizationSegment) -> Iterator[Turn]:
        start, end = turn.time_interval.start, turn.time_interval.end
        first = int(np.searchsorted(self._edges, start, side="right"))
        last = int(np.searchsorted(self._edges, end, side="left"))
        edges = [start, *self._edges[first:last].round(3).tolist(), end]
        for at, (begin, stop) in enumerate(pairwise(edges), start=first):
            if begin < stop:
                yield begin, stop, self._speaker(at, self._labels[turn.speaker], begin, stop)

    def _speaker(self, phrase: int, label: int, start: float, end: float) -> int:
        first, last = self._times[phrase]
        is_near = start < last + _NEAR_SECONDS and end > first - _NEAR_SECONDS
        return int(self._said[phrase]) if is_near and self._main[phrase] == label else self._usual[label]


def _between(turns: Sequence[Turn], start: float, end: float) -> Iterator[Turn]:
    """Yield the turns that touch a stretch of time; they are in order, and none overlaps the next."""
    for at in range(bisect_right(turns, start, key=itemgetter(1)), len(turns)):
        if turns[at][0] >= end:
            break
        yield turns[at]


def _outside(turns: Sequence[Turn], others: Sequence[Turn]) -> Iterator[Turn]:
    """Yield what of turns lies outside of others, and of those before; all are in order of time."""
    free = 0.0
    for start, end, speaker in turns:
        begin, free = max(start, free), max(end, free)
        for other, stop, _ in _between(others, begin, end):
            if begin < other:
                yield begin, other, speaker
            begin = max(begin, stop)
        if begin < end:
            yield begin, end, speaker


def _joined(turns: list[Turn]) -> Iterator[Turn]:
    """Join turns of one speaker that touch."""
    for speaker, own in groupby(sorted(turns, key=itemgetter(2, 0, 1)), key=itemgetter(2)):
        start = end = -1.0
        for begin, stop, _ in own:
            if begin <= end:
                end = max(end, stop)
                continue
            if start >= 0.0:
                yield start, end, speaker
            start, end = begin, stop
        yield start, end, speaker
