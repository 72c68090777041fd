"""Whether a server stays as large as it is: memory of its processes and shared memory, over many requests."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.endtoend.recordings import Clip
from benchmarks.endtoend.throughput import Transcribe
from benchmarks.processes import descendants, memory_mb, shared_memory_mb
from benchmarks.report import Goal, Row

MOST_GROWTH = 0.03
"""By how much memory may grow after a quarter of the requests, in which all is used for the first time."""

_REST_S = 2.0  # in which memory that is not needed any more goes back


@dataclass(frozen=True)
class Size:
    """How large a server is at rest."""

    requests: int
    """How many it has answered."""
    memory: float
    """Of all its processes, in megabytes."""
    shared: float
    """Shared memory of the machine, in megabytes."""


def watch(transcribe: Transcribe, found: Sequence[Clip], requests: int, at_once: int) -> list[Size]:
    """Send recordings, and return how large the only server of this process is after each quarter of them."""
    sizes = [_size(0)]
    quarter = requests // 4
    with ThreadPoolExecutor(at_once) as pool:
        for part in range(1, 5):
            audio = [found[number % len(found)].audio for number in range(quarter)]
            for _ in pool.map(transcribe, audio):
                pass
            time.sleep(_REST_S)
            sizes.append(_size(part * quarter))
    return sizes


def _size(requests: int) -> Size:
    return Size(requests, memory_mb(descendants()), shared_memory_mb())


def rows(sizes: Sequence[Size]) -> list[Row]:
    """Return a line for each time at which a server was looked at."""
    return [
        {
            "work": "memory",
            "by": f"service, after {size.requests} requests",
            "memory_MB": round(size.memory),
            "shm_MB": round(size.shared),
        }
        for size in sizes
    ]


def goals(sizes: Sequence[Size]) -> list[Goal]:
    """Return what should have been found."""
    _, warm, *_, last = sizes
    count = last.requests - warm.requests
    return [
        Goal(
            name=f"memory of all processes, growth over {count} requests, %",
            value=100 * (last.memory / warm.memory - 1),
            bound="at most",
            goal=100 * MOST_GROWTH,
        ),
        Goal(
            name=f"shared memory, growth over {count} requests, MB",
            value=last.shared - warm.shared,
            bound="at most",
            goal=64.0,
        ),
    ]
