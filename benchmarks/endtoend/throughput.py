"""How many seconds of audio a second are written down: many recordings at once, and one alone."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

from rich.console import Console

from benchmarks.endtoend.recordings import Clip, seconds_of
from benchmarks.report import Row

Transcribe = Callable[[bytes], int]
"""Writes down who says what in an encoded file; returns of how many words that is."""

_REST_S = 1.0  # idle OpenMP threads spin for 0.2 s, and would take the cores from who is next


@dataclass(frozen=True)
class Contender:
    """Somebody who writes recordings down."""

    transcribe: Transcribe
    """How; by several threads at once if it has more than one recording at once."""
    at_once: int = 1
    """How many recordings it is given at once."""
    rounds: int = 1
    """How many times it does its work."""
    most: int | None = None
    """How many of the recordings it is given, the first ones, where all would take it too long."""


@dataclass(frozen=True)
class Turn:
    """What somebody took for the recordings, once."""

    audio: float
    """Seconds of audio."""
    wall: float
    """Seconds from the first request to the last answer."""
    latencies: tuple[float, ...]
    """Of each recording, in seconds."""
    words: int
    """How many were written down."""

    @property
    def rtfx(self) -> float:
        """Seconds of audio that take one second."""
        return self.audio / self.wall


def take_turn(contender: Contender, found: Sequence[Clip]) -> Turn:
    """Let somebody write recordings down."""

    def one(clip: Clip) -> tuple[float, int]:
        began = time.perf_counter()
        words = contender.transcribe(clip.audio)
        return time.perf_counter() - began, words

    started = time.perf_counter()
    given = found[: contender.most]
    with ThreadPoolExecutor(contender.at_once) as pool:
        done = list(pool.map(one, given))
    wall = time.perf_counter() - started
    return Turn(seconds_of(given), wall, tuple(seconds for seconds, _ in done), sum(n for _, n in done))


def compare(
    work: str, found: Sequence[Clip], contenders: Mapping[str, Contender], console: Console
) -> dict[str, list[Turn]]:
    """Let everybody write the same recordings down, in turns, as often as each is to."""
    turns: dict[str, list[Turn]] = {name: [] for name in contenders}
    for number in range(max(contender.rounds for contender in contenders.values())):
        for name, contender in contenders.items():
            if number < contender.rounds:
                time.sleep(_REST_S)
                turns[name].append(take_turn(contender, found))
                console.print(f"{work}, {name}: {turns[name][-1].wall:.1f} s")
    return turns


def rtfx(turns: Sequence[Turn]) -> float:
    """Return the median speed."""
    return median(turn.rtfx for turn in turns)


def rows(work: str, turns: Mapping[str, Sequence[Turn]], peer: str) -> list[Row]:
    """Return a line for each contender; `ratio` is its speed as a multiple of the peer's."""
    found: list[Row] = []
    for name, own in turns.items():
        latencies = sorted(latency for turn in own for latency in turn.latencies)
        found.append(
            {
                "work": work,
                "by": name,
                "audio_s": round(own[0].audio),
                "RTFx": rtfx(own),
                "ratio": rtfx(own) / rtfx(turns[peer]),
                "p50_s": _percentile(latencies, 50),
                "p95_s": _percentile(latencies, 95),
                "words": own[-1].words,
            }
        )
    return found


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """Return what so many percent of the values do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
