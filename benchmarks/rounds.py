"""Timing contenders against each other, in turns: what else the machine does then meets all of them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from rich.console import Console

from benchmarks.report import Row

Item = TypeVar("Item")

Work = Callable[[], Sequence[float]]
"""Does all of a part's work; returns the latency of each request, in seconds, where there are requests."""

_REST_S = 0.5  # idle OpenMP threads spin for 0.2 s, and would take the cores from who is next


@dataclass(frozen=True)
class Part:
    """What is measured together: contenders that do the same work."""

    name: str
    """What the work is."""
    amount: float
    """How much of it there is, in units."""
    unit: str
    """What is counted in a second, such as `windows/s`."""
    contenders: Mapping[str, Work]
    """Who does it, by name; the first is whom the others' speed is divided by."""


@dataclass
class Turns:
    """How a contender fared in each round."""

    seconds: list[float] = field(default_factory=list)
    """Duration of the work."""
    latencies: list[float] = field(default_factory=list)
    """Of each request in every round, in seconds."""

    def ratio_of(self, peer: "Turns") -> float:
        """Return the speed as a multiple of the peer's: the median of that of each round."""
        return median(self.ratios_of(peer))

    def ratios_of(self, peer: "Turns") -> list[float]:
        """Return the speed in each round as a multiple of the peer's in it."""
        return [theirs / own for own, theirs in zip(self.seconds, peer.seconds, strict=True)]


def timed(work: Callable[[Item], object], items: Iterable[Item], at_once: int = 1) -> list[float]:
    """Do work for each item, `at_once` of them side by side; return how long each took, in seconds."""

    def one(item: Item) -> float:
        started = time.perf_counter()
        work(item)
        return time.perf_counter() - started

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, items))


def measure(part: Part, rounds: int, console: Console) -> dict[str, Turns]:
    """Let every contender of a part take its turn in each of the rounds."""
    turns = {name: Turns() for name in part.contenders}
    for number in range(1, rounds + 1):
        for name, work in part.contenders.items():
            time.sleep(_REST_S)
            started = time.perf_counter()
            latencies = work()
            seconds = time.perf_counter() - started
            turns[name].seconds.append(seconds)
            turns[name].latencies += latencies
            console.print(f"round {number} of {rounds}, {part.name}, {name}: {seconds:.2f} s")
    return turns


def rows(part: Part, turns: Mapping[str, Turns]) -> list[Row]:
    """Return a line for each contender: medians over the rounds, and how far the ratios of them lie apart."""
    peer, *_ = turns.values()
    found: list[Row] = []
    for name, own in turns.items():
        ratios = own.ratios_of(peer)
        found.append(
            {
                "work": part.name,
                "by": name,
                "speed": median(part.amount / seconds for seconds in own.seconds),
                "unit": part.unit,
                "p50_ms": _percentile_ms(own.latencies, 50),
                "p95_ms": _percentile_ms(own.latencies, 95),
                "ratio": median(ratios),
                "lowest": min(ratios),
                "highest": max(ratios),
            }
        )
    return found


def _percentile_ms(latencies: Sequence[float], percent: int) -> int | None:
    """Return the latency that so many percent of the requests do not exceed."""
    if not latencies:
        return None
    rank = -(-len(latencies) * percent // 100)
    return round(sorted(latencies)[rank - 1] * 1000)
