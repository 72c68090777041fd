"""Locust's shapes: how many users call at a time, where that changes."""

from collections.abc import Callable
from typing import Protocol

from locust import LoadTestShape

from benchmarks.locust.load import LOAD
from benchmarks.locust.options import Options, Workload
from benchmarks.locust.steps import Ramp, Seen, Soak

PLANNED = {Workload.RAMP, Workload.SOAK}
"""Workloads that have a plan."""

_AT_ONCE = 100.0  # users a second: each begins with a request of its own, so none has to wait
_SOAK_S = 3600.0  # when no `--run-time` is given


class Plan(Protocol):
    """Says how many users should call."""

    def users(self, seen: Seen) -> int | None:
        """Return how many; `None` at the end."""
        ...


class PlannedShape(LoadTestShape):
    """Follows a plan by what has been answered so far.

    Args:
        make: Returns the plan of a load that is about to begin.
    """

    abstract = True  # Locust would make one by itself, whatever the workload.
    use_common_options = True

    def __init__(self, make: Callable[[], Plan]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._make = make
        self.plan = make()
        """Says how many users should call."""
        self._users = 0

    def reset_time(self) -> None:
        """Begin anew; Locust calls this before each load."""
        super().reset_time()  # type: ignore[no-untyped-call]
        self.plan = self._make()
        LOAD.begin(LOAD.options, calls=False)

    def tick(self) -> tuple[int, float] | None:
        """Return how many users should call, and how many of them begin a second."""
        # While a load ends nobody should begin to call.
        if not LOAD.is_ending.is_set():
            total, now = LOAD.total, self.get_run_time()  # type: ignore[no-untyped-call]
            seen = Seen(now, total.audio_seconds, total.failed)
            users = self.plan.users(seen)
            if users is None:
                return None
            self._users = users
        return self._users, _AT_ONCE


def plan_of(options: Options, users: int, run_time: float | None) -> Plan:
    """Return the plan of a workload that has one.

    Args:
        options: Of the load.
        users: How many call, at most.
        run_time: For how long, in seconds, if that was said.
    """
    if options.workload is Workload.RAMP:
        return Ramp(options.step_users, users, options.step_seconds)
    return Soak(users, run_time or _SOAK_S)
