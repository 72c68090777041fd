"""Tuning a server: the cores one after the other, in the time and memory that there are for all of them."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from triologue_server.settings import Settings
from triologue_server.transcription.window import WINDOW_SECONDS
from triologue_server.tuning.candidates import Candidate, rule_of_thumb
from triologue_server.tuning.cores import (
    Core,
    Placement,
    calls_at_once,
    candidate_of,
    space_of,
    with_candidate,
    with_limits,
)
from triologue_server.tuning.machine import Machine
from triologue_server.tuning.search import Measured, Objective, Trial, Trials, search

Measure = Callable[[Core, Settings, Candidate], Measured]
"""Measures a candidate of a core whose other settings are given, or raises `Infeasible`."""

REST_MB = 1_500.0
"""Memory left to the conductor, the unary models and the recordings, in megabytes."""

_DELAY_SHARE = 0.05  # of the time that a window takes: so much may be lost by waiting for others
_LONGEST_DELAY_MS = 100
_MOST_IN_FLIGHT = 1_024  # what the settings take
_NETWORKS = (Core.SEGMENTATION, Core.EMBEDDING)


class TuningError(Exception):
    """There is nothing to propose; the message says why."""


@dataclass(frozen=True)
class Plan:
    """What to tune, and how."""

    cores: Sequence[Core] = tuple(Core)
    """Those to tune."""
    objective: Objective = Objective.THROUGHPUT
    """What makes one candidate better than another."""
    minutes: float = 5.0
    """How long it may take; what is set now is measured in any case."""
    memory_mb: float | None = None
    """Memory that the cores may take together, in megabytes; by default what is free, less `REST_MB`."""
    most: int = 32
    """Candidates of a core to measure at most."""


@dataclass(frozen=True)
class Tuned:
    """A core, and what has been found out about it."""

    core: Core
    current: Candidate
    """What was set."""
    best: Trial
    """What is proposed."""
    measured: Measured
    """How that did."""
    trials: Sequence[Trial]
    """All that was tried."""


@dataclass(frozen=True)
class Proposal:
    """What came of it."""

    settings: Settings
    """The settings that were given, with what is proposed in them."""
    tuned: Sequence[Tuned]
    """The cores that were tuned."""


def tune(
    settings: Settings,
    machine: Machine,
    measure: Measure,
    plan: Plan,
    on_trial: Callable[[Core, Trial], None] = lambda *_: None,
) -> Proposal:
    """Propose settings for a machine.

    What is set is measured first, of every core: how much memory it takes says how much there is for each.

    Args:
        settings: What is set now; models, devices and number formats stay as they are.
        machine: The one that `measure` measures on.
        measure: Measures a candidate.
        plan: What to tune, and how.
        on_trial: Called with each trial as it ends.

    Raises:
        TuningError: No candidate of a core runs, or fits the memory.
    """
    end = time.monotonic() + 60 * plan.minutes
    cores = [_CoreTuning(core, settings, machine, measure, plan, on_trial) for core in plan.cores]
    for core in cores:
        core.measure_current(settings)
    found: list[Tuned] = []
    for number, core in enumerate(cores):
        others = sum(other.memory_mb for other in cores if other is not core and other.on_gpu == core.on_gpu)
        share = core.longest_s / sum(left.longest_s for left in cores[number:])
        seconds = share * (end - time.monotonic())
        found.append(core.tune(settings, memory_mb=core.all_memory_mb - others, seconds=seconds))
        settings = _with_found(settings, found[-1], core.placement)
    return Proposal(_with_limits(settings, machine, plan), found)


class _CoreTuning:
    """The tuning of one core."""

    def __init__(
        self,
        core: Core,
        settings: Settings,
        machine: Machine,
        measure: Measure,
        plan: Plan,
        on_trial: Callable[[Core, Trial], None],
    ) -> None:
        self.core = core
        self.placement = Placement.of(core, settings, machine)
        self.on_gpu = self.placement.on_gpu
        self._space = space_of(core, settings, machine)
        self._measure = measure
        self._plan = plan
        self._on_trial = on_trial
        self._trials = self._no_trials()
        self.longest_s = 0.0
        """How long the longest of its measurements took, in seconds."""
        free = machine.gpu_memory_mb or math.inf if self.on_gpu else machine.memory_mb - REST_MB
        self.all_memory_mb = free if plan.memory_mb is None else plan.memory_mb
        """Memory that the cores on the same device may take together, in megabytes."""

    @property
    def memory_mb(self) -> float:
        """Memory that the best candidate so far takes, in megabytes; 0 if none runs."""
        best = self._trials.best()
        return best.measured.memory_mb if best and best.measured else 0.0

    def measure_current(self, settings: Settings) -> None:
        """Measure what is set."""
        self._trials.add(self._current(settings), lambda candidate: self._timed(settings, candidate))

    def tune(self, settings: Settings, memory_mb: float, seconds: float) -> Tuned:
        """Look for the best candidate, in so many megabytes and seconds.

        Raises:
            TuningError: There is none.
        """
        current = self._current(settings)
        if current not in self._trials:
            # The other network has changed the threads they have in common: what was measured does not hold.
            self._trials = self._no_trials()
        self._trials.memory_mb = memory_mb
        deadline = time.monotonic() + seconds
        best = search(
            self._space,
            (current, rule_of_thumb(self._space, current)),
            lambda candidate: self._timed(settings, candidate),
            self._trials,
            most=self._plan.most,
            has_time=lambda: time.monotonic() + self.longest_s < deadline,
        )
        if best is None or best.measured is None:
            raise TuningError(f"{self.core.value}: {self._nothing_found()}")
        return Tuned(self.core, current, best, best.measured, self._trials.all)

    def _current(self, settings: Settings) -> Candidate:
        return self._space.tidy(candidate_of(self.core, settings))

    def _no_trials(self) -> Trials:
        return Trials(self._plan.objective, on_trial=lambda trial: self._on_trial(self.core, trial))

    def _timed(self, settings: Settings, candidate: Candidate) -> Measured:
        started = time.monotonic()
        try:
            return self._measure(self.core, settings, candidate)
        finally:
            self.longest_s = max(self.longest_s, time.monotonic() - started)

    def _nothing_found(self) -> str:
        smallest = self._trials.smallest()
        if smallest is None or smallest.measured is None:
            return self._trials.all[0].reason
        needed, there = smallest.measured.memory_mb, max(0.0, self._trials.memory_mb)
        return f"it takes {needed:.0f} MB at least, and there are {there:.0f} MB for it"


def _with_found(settings: Settings, tuned: Tuned, placement: Placement) -> Settings:
    if tuned.best.candidate == tuned.current:
        return settings
    # On a CPU nothing is gained by waiting for others.
    further = {"queue_delay_ms": _queue_delay_ms(tuned, placement)} if placement.on_gpu else {}
    return with_candidate(tuned.core, settings, tuned.best.candidate, **further)


def _queue_delay_ms(tuned: Tuned, placement: Placement) -> int:
    """Return how long a call should wait for others: a small share of what it takes one instance.

    It is worked out and not measured, since under full load nobody waits for others.
    """
    candidate = tuned.best.candidate
    if candidate.max_batch_size == 1:
        return 0
    window_s = WINDOW_SECONDS * candidate.instances * placement.times / tuned.measured.throughput
    return min(_LONGEST_DELAY_MS, max(1, round(1_000 * _DELAY_SHARE * window_s)))


def _with_limits(settings: Settings, machine: Machine, plan: Plan) -> Settings:
    """Return the settings with limits that are high enough for one recording to keep the cores busy.

    It may have twice as many calls as a core on a CPU works on at once, so that the next ones are ready; on a
    GPU those that wait are counted already. Higher limits stay: calls of several recordings take turns.
    """
    limits = settings.limits
    calls = {core: calls_at_once(core, settings, machine) for core in Core}
    enough = {
        core: min(_MOST_IN_FLIGHT, count if Placement.of(core, settings, machine).on_gpu else 2 * count)
        for core, count in calls.items()
    }
    changes = {"core_queue": max(limits.core_queue, 2 * max(calls.values()))}
    if Core.WHISPER in plan.cores:
        changes["windows_in_flight"] = max(limits.windows_in_flight, enough[Core.WHISPER])
    if set(_NETWORKS) & set(plan.cores):
        spans = max(enough[core] for core in _NETWORKS)
        changes["spans_in_flight"] = max(limits.spans_in_flight, spans)
    return with_limits(settings, **changes)
