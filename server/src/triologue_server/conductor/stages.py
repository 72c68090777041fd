"""How long each stage of a recording takes, and its trace."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from triologue.schema import Stage
from triologue_server.tracing import span


class Stages:
    """Takes the time of stages, some of which run side by side."""

    def __init__(self) -> None:
        self.seconds: dict[Stage, float] = {}
        """From the start of each stage to its end."""

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Take the time of what is done in the context."""
        started = time.perf_counter()
        with span(stage):
            yield
        self.seconds[stage] = round(time.perf_counter() - started, 3)
