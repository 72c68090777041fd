"""Requests that arrive by themselves, whether earlier ones are answered or not."""

import random


class Arrivals:
    """A Poisson process.

    Args:
        rate: Arrivals a second, on average.
        chance: Chooses the gaps between them.
    """

    def __init__(self, rate: float, chance: random.Random) -> None:
        self._rate, self._chance = rate, chance
        self._next: float | None = None

    def pause(self, now: float) -> float:
        """Return the seconds until the next arrival.

        One that should have been already comes at once: a caller who was held up makes up for it, so that the
        rate is kept.

        Args:
            now: Seconds of a clock that never goes back.
        """
        self._next = (now if self._next is None else self._next) + self._chance.expovariate(self._rate)
        return max(0.0, self._next - now)
