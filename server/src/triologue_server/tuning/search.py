"""The search: a walk from candidate to candidate, one axis at a time, to where no step makes it better."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

from triologue_server.tuning.candidates import Candidate, Direction, Space

_AS_SOON = 0.05  # latencies that differ by no more than this share are taken for the same
_DOUBTFUL = 0.3  # share of the throughput that something else on the machine may have taken


class Objective(str, Enum):
    """What makes one candidate better than another."""

    THROUGHPUT = "throughput"
    """The most audio a second, and among those that come near it the one that answers soonest."""
    LATENCY = "latency"
    """The same, with more throughput given up for answers that come sooner."""

    @property
    def tolerance(self) -> float:
        """Share of the best throughput that may be missing."""
        return {Objective.THROUGHPUT: 0.05, Objective.LATENCY: 0.25}[self]


class Infeasible(Exception):
    """A candidate cannot be measured, since it does not run here; the message says why."""


@dataclass(frozen=True)
class Measured:
    """How a core did under load."""

    throughput: float
    """Seconds of audio a second."""
    p95_s: float
    """How long a call took, in seconds; 95 % of them took less."""
    memory_mb: float
    """Peak memory of all instances, in megabytes: of the GPU if the core is on one."""


@dataclass(frozen=True)
class Trial:
    """A candidate, and what came of it."""

    candidate: Candidate
    measured: Measured | None
    """None if it was not, or could not be, measured."""
    reason: str = ""
    """Why it was not measured."""


class Trials:
    """What has been tried of a core, and which of it is best.

    Args:
        objective: What makes one better than another.
        memory_mb: Memory that the core may take, in megabytes.
        on_trial: Called with each trial as it ends.
    """

    def __init__(
        self,
        objective: Objective,
        memory_mb: float = math.inf,
        on_trial: Callable[[Trial], None] = lambda _: None,
    ) -> None:
        self.memory_mb = memory_mb
        """Memory that the core may take, in megabytes."""
        self.measurements = 0
        """How many were measured, or could not be."""
        self._tolerance = objective.tolerance
        self._on_trial = on_trial
        self._trials: dict[Candidate, Trial] = {}
        self._certain: set[Candidate] = set()

    def __contains__(self, candidate: Candidate) -> bool:
        return candidate in self._trials

    @property
    def all(self) -> list[Trial]:
        """All of them, in the order in which they were tried."""
        return list(self._trials.values())

    def fits(self, trial: Trial) -> bool:
        """Say whether a candidate was measured, and took no more memory than it may."""
        return trial.measured is not None and trial.measured.memory_mb <= self.memory_mb

    def fastest(self) -> Trial | None:
        """Return the one with the highest throughput that fits the memory; None if none does."""
        return self._best(tolerance=0.0)

    def best(self) -> Trial | None:
        """Return the best that fits the memory; None if none does."""
        return self._best(self._tolerance)

    def _best(self, tolerance: float) -> Trial | None:
        near = self._near(tolerance)
        soonest = min((measured.p95_s for _, measured in near), default=0.0)
        soon = [found for found in near if found[1].p95_s <= (1 + _AS_SOON) * soonest]
        # Of those that answer as soon, the one that takes the least memory, and then the one that does more.
        smallest = min(
            soon, key=lambda found: (found[1].memory_mb, -found[1].throughput), default=(None, None)
        )
        return smallest[0]

    def _near(self, tolerance: float) -> list[tuple[Trial, Measured]]:
        """Return those that fit the memory, and miss no more than a share of the highest throughput."""
        fitting = [(trial, trial.measured) for trial in self.all if trial.measured and self.fits(trial)]
        most = max((measured.throughput for _, measured in fitting), default=0.0)
        return [found for found in fitting if found[1].throughput >= (1 - tolerance) * most]

    def smallest(self) -> Trial | None:
        """Return the one that takes the least memory; None if none could be measured."""
        measured = [(trial, trial.measured.memory_mb) for trial in self.all if trial.measured]
        return min(measured, key=lambda found: found[1], default=(None,))[0]

    def add(self, candidate: Candidate, measure: Callable[[Candidate], Measured]) -> None:
        """Measure a candidate, unless it is certain that it takes too much memory."""
        self._trials[candidate] = trial = self._try(candidate, measure)
        self._on_trial(trial)

    def doubtful(self) -> Trial | None:
        """Return the fastest of those that were measured once and may be as fast as any; None if none is."""
        once = [found for found in self._near(_DOUBTFUL) if found[0].candidate not in self._certain]
        return max(once, key=lambda found: found[1].throughput, default=(None,))[0]

    def add_again(self, trial: Trial, measure: Callable[[Candidate], Measured]) -> None:
        """Measure a candidate a second time; the faster time counts, since others can only slow it down."""
        again = self._try(trial.candidate, measure)
        self._certain.add(trial.candidate)
        both = [measured for measured in (trial.measured, again.measured) if measured]
        if both:
            faster = max(both, key=lambda measured: measured.throughput)
            memory = max(measured.memory_mb for measured in both)
            measured = replace(faster, memory_mb=memory)
            self._trials[trial.candidate] = replace(trial, measured=measured)
        self._on_trial(again)

    def _try(self, candidate: Candidate, measure: Callable[[Candidate], Measured]) -> Trial:
        if self._is_too_large(candidate):
            return Trial(candidate, None, f"would take more than {self.memory_mb:.0f} MB")
        self.measurements += 1
        try:
            return Trial(candidate, measure(candidate))
        except Infeasible as error:
            return Trial(candidate, None, str(error))

    def _is_too_large(self, candidate: Candidate) -> bool:
        """Say whether as many instances are too large, of the smallest that was seen doing no more."""
        sizes = (
            trial.measured.memory_mb / trial.candidate.instances
            for trial in self.all
            if trial.measured
            and trial.candidate.workers <= candidate.workers
            and trial.candidate.max_batch_size <= candidate.max_batch_size
        )
        return candidate.instances * min(sizes, default=0.0) > self.memory_mb


def search(
    space: Space,
    starts: Iterable[Candidate],
    measure: Callable[[Candidate], Measured],
    trials: Trials,
    *,
    most: int = 32,
    has_time: Callable[[], bool] = lambda: True,
) -> Trial | None:
    """Look for the best candidate of a space.

    From the fastest of what has been measured, the candidates next to it are measured until one of them is
    faster, and so on. Where a step made it faster, the next one along the same axis comes first. Once none
    is, it goes on in the same way from the best, for which throughput is not all. The time that is left goes
    into measuring those that are near the best a second time.

    Args:
        space: Where to look.
        starts: Where to begin. The first is measured in any case, the others if there is time. If none of
            them runs and fits, the smallest candidate is tried.
        measure: Measures a candidate, or raises `Infeasible`.
        trials: What has been tried already; takes up what is tried here, and says which is best.
        most: Candidates to measure at most, those of `trials` included.
        has_time: Says whether there is time for another one.

    Returns:
        The best; None if none fits the memory, or none runs.
    """

    def may_go_on() -> bool:
        return not trials.all or (trials.measurements < most and has_time())

    for start in map(space.tidy, starts):
        if start not in trials and may_go_on():
            trials.add(start, measure)
    if not trials.best() and (least := space.least(trials.all[0].candidate)) not in trials:
        # Too large, or broken: one more measurement tells.
        trials.add(least, measure)
    for standing in (trials.fastest, trials.best):
        _walk(space, standing, measure, trials, may_go_on)
    while (trial := trials.doubtful()) and may_go_on():
        trials.add_again(trial, measure)
    return trials.best()


def _walk(
    space: Space,
    standing: Callable[[], Trial | None],
    measure: Callable[[Candidate], Measured],
    trials: Trials,
    may_go_on: Callable[[], bool],
) -> None:
    """Measure what is next to where one stands until there is nothing new."""
    heading: Direction | None = None
    while (here := standing()) and may_go_on():
        step = _next_step(space, here.candidate, trials, heading)
        if step is None:
            break
        direction, candidate = step
        trials.add(candidate, measure)
        if standing() is not here:
            heading = direction


def _next_step(
    space: Space, candidate: Candidate, trials: Trials, heading: Direction | None
) -> tuple[Direction, Candidate] | None:
    untried = [step for step in space.steps(candidate) if step[1] not in trials]
    ahead = [step for step in untried if step[0] == heading]
    return next(iter(ahead + untried), None)
