"""What Locust's own report shows of requests, besides their times.

Each line of Locust's table has a type and a name: `grpc` or `http`, and what was asked for. The other types
are measurements of these requests, under the same names. They are lines of their own, but do not count in
Locust's totals, which stay those of requests. All of them go from workers to the master with Locust's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.locust.calls import Answer

if TYPE_CHECKING:
    # Locust changes how the process waits that imports it, and the verdict needs these names alone.
    from locust.env import Environment

RTFX = "RTFx"
"""Seconds of a recording by the seconds until its answer."""
FIRST = "TTFS"
"""Milliseconds to the first segment of a stream."""
OUTSIDE = "queue"
"""Milliseconds of a request outside of the processing: on its way, and in the queue of the pipeline."""
THROUGHPUT = "audio s/s"
"""Seconds of audio that all answers within some seconds are for, by these seconds."""


class Failed(Exception):
    """A request that failed. Locust counts failures by what they are written as: the code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        """Of the error."""

    def __repr__(self) -> str:
        return self.code


def record_answer(environment: Environment, protocol: str, name: str, seconds: float, answer: Answer) -> None:
    """Record a request that was answered.

    Args:
        environment: Locust's.
        protocol: Its type.
        name: What was asked for.
        seconds: Length of the recording.
        answer: What was measured.
    """
    _fire(environment, protocol, name, 1000 * answer.latency, None)
    record(environment, RTFX, name, seconds / answer.latency)
    record(environment, OUTSIDE, name, 1000 * answer.outside)
    if answer.first_segment is not None:
        record(environment, FIRST, name, 1000 * answer.first_segment)


def record_failure(environment: Environment, protocol: str, name: str, code: str) -> None:
    """Record a request that failed. It has no time: refusals would make answers look fast."""
    _fire(environment, protocol, name, None, Failed(code))


def record(environment: Environment, kind: str, name: str, value: float) -> None:
    """Record a measurement in a line of its own."""
    # Locust adds floats up as they are, and says `int`.
    environment.stats.get(name, kind).log(value, 0)  # type: ignore[arg-type]


def _fire(
    environment: Environment, protocol: str, name: str, milliseconds: float | None, failure: Failed | None
) -> None:
    environment.events.request.fire(
        request_type=protocol,
        name=name,
        response_time=milliseconds,
        response_length=0,
        exception=failure,
        context={},
    )
