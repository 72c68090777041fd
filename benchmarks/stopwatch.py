"""Adding up what the stages of some work take."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


class Stopwatch:
    """Adds up seconds by stage. For one thing at a time.

    What is timed within a stage counts there alone.

    Args:
        clock: Tells the seconds; by default those that this process has computed.
    """

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self.seconds: dict[str, float] = {}
        """Seconds of each stage."""
        self._clock = clock
        self._stage: str | None = None
        self._since = 0.0

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """Time what is done in a context."""
        outer = self._switch(stage)
        try:
            yield
        finally:
            self._switch(outer)

    def around(self, stage: str, work: Callable[..., Result]) -> Callable[..., Result]:
        """Return a function that does its work on the watch."""

        def timed(*arguments: Any, **options: Any) -> Result:
            with self.on(stage):
                return work(*arguments, **options)

        return timed

    def _switch(self, stage: str | None) -> str | None:
        """Let the time from now on be another stage's; return whose it was."""
        now = self._clock()
        if self._stage is not None:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        left, self._stage, self._since = self._stage, stage, now
        return left
