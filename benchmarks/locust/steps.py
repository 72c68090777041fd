"""How many users call at a time, in loads that change it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

GROWTH = 0.05
"""By which share throughput has to exceed the best before to have grown."""
PATIENCE = 2
"""Steps without growth after which a ramp ends: a single one may have had the longer recordings."""

_SETTLING = 0.25  # of a step, in which requests of the users that it adds are not answered yet


class Step(BaseModel):
    """What was found by so many users."""

    users: int
    """How many."""
    throughput: float
    """Seconds of audio that were answered in a second."""
    errors: int
    """Requests that failed."""


@dataclass(frozen=True)
class Seen:
    """What has been counted so far."""

    now: float
    """Seconds since the load began."""
    audio_seconds: float
    """Of the recordings that were answered."""
    errors: int
    """Requests that failed."""


class Ramp:
    """Adds users step by step, until that brings no more throughput or requests fail.

    Args:
        add: Users that each step adds.
        most: Users of the last step, at most.
        seconds: Length of a step.
    """

    def __init__(self, add: int, most: int, seconds: float) -> None:
        self._add, self._most, self._seconds = add, most, seconds
        self._users = min(add, most)
        self._best, self._stalled = 0.0, 0
        self._step_began = 0.0
        self._from: Seen | None = None
        self.steps: list[Step] = []
        """Those that are over."""

    def users(self, seen: Seen) -> int | None:
        """Return how many users should call now; `None` when the ramp has ended."""
        into = seen.now - self._step_began
        if self._from is None and into >= _SETTLING * self._seconds:
            self._from = seen
        if into < self._seconds or self._from is None or seen.now <= self._from.now:
            return self._users
        self.steps.append(
            Step(
                users=self._users,
                throughput=(seen.audio_seconds - self._from.audio_seconds) / (seen.now - self._from.now),
                errors=seen.errors - self._from.errors,
            )
        )
        last = self.steps[-1]
        if last.throughput > self._best * (1 + GROWTH):
            self._best, self._stalled = last.throughput, 0
        else:
            self._stalled += 1
        if last.errors or self._users >= self._most or self._stalled >= PATIENCE:
            return None
        self._users = min(self._most, self._users + self._add)
        self._step_began, self._from = seen.now, None
        return self._users


def saturation(steps: Sequence[Step]) -> Step | None:
    """Return the step of the fewest users whose throughput more users did not let grow.

    There is none when the last step did best: more users may do better still. Steps in which requests failed
    do not count.
    """
    sound = [step for step in steps if not step.errors]
    best = max((step.throughput for step in sound), default=0.0)
    point = next((step for step in sound if step.throughput * (1 + GROWTH) >= best), None)
    return None if point is None or point is steps[-1] else point


class Soak:
    """Lets a number of users call for a time.

    Args:
        users: How many.
        seconds: For how long.
    """

    def __init__(self, users: int, seconds: float) -> None:
        self._users, self._seconds = users, seconds

    def users(self, seen: Seen) -> int | None:
        """Return how many users should call now; `None` when it is over."""
        return self._users if seen.now < self._seconds else None
