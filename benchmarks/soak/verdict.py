"""What the parts' tables and goals have in common."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.report import Goal, Row
from benchmarks.soak.sampling import Sample


class Measure(NamedTuple):
    """Something of a server that is looked at."""

    what: str
    unit: str
    of: Callable[[Sample], float]


MEMORY = Measure("memory", "MB", lambda sample: sample.memory_mb)
FILES = Measure("open files", "files", lambda sample: sample.files)
ABANDONED = Measure("sockets without a connection", "sockets", lambda sample: sample.abandoned)
THREADS = Measure("threads", "threads", lambda sample: sample.threads)
SEGMENTS = Measure("shared memory", "segments", lambda sample: sample.shared.number)
ALLOCATED = Measure("shared memory in use", "MB", lambda sample: sample.shared.allocated_mb)
WRITTEN = Measure("shared memory ever written", "MB", lambda sample: sample.shared.written_mb)
PROCESSES = Measure("processes of Triton and the models", "processes", lambda sample: len(sample.processes))
DECODERS = Measure("processes that decode", "processes", lambda sample: sample.decoders)
MEASURES = (
    MEMORY,
    FILES,
    ABANDONED,
    THREADS,
    SEGMENTS,
    ALLOCATED,
    WRITTEN,
    PROCESSES,
    DECODERS,
)


def at_most(name: str, value: float, goal: float) -> Goal:
    """Return a goal of which less is better."""
    return Goal(name=name, value=value, bound="at most", goal=goal)


def taken_up(part: str, before: Sample, samples: Sequence[Sample], after: Sample) -> list[Row]:
    """Return what a server took up: at rest before and after, and at most."""
    return [
        {
            "part": part,
            "what": measure.what,
            "unit": measure.unit,
            "before": _shown(measure.of(before)),
            "most": _shown(max(map(measure.of, [before, *samples, after]))),
            "after": _shown(measure.of(after)),
        }
        for measure in MEASURES
    ]


def replaced(part: str, before: Sample, after: Sample) -> Goal:
    """Return the goal of how many processes ended or came."""
    return at_most(f"{part}: processes that ended or came", len(before.processes ^ after.processes), 0)


def unfinished(part: str, after: Sample) -> Goal:
    """Return the goal of what a server at rest is still busy with; one that does not tell counts as busy."""
    left = after.unfinished
    return at_most(f"{part}: recordings and requests without an end", 1 if left is None else left, 0)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return what so many percent of the values do not exceed; 0 where there are none."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else 0.0


def _shown(value: float) -> float | int:
    return value if isinstance(value, int) else round(value, 1)
