"""Which calls are made again, and when."""

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)
from tenacity.wait import wait_base

from triologue.protocol.deadline import Deadline
from triologue.schema import ServerOverloaded, ServerUnavailable, TriologueError

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 20.0


def attempts(retries: int, deadline: Deadline, pauses: list[float]) -> Retrying:
    """Return an iterable of attempts, each a context manager that keeps what is worth another one.

    That is a server which cannot be reached or whose queues are full: it has not begun, or works on nothing
    that a second time would change. Waits double, from half a second to twenty, and each is cut to a random
    part of itself, so that callers who were refused together do not come back together. Where the server says
    when to come back, that is waited for first.

    Args:
        retries: How many attempts may follow the first.
        deadline: No wait reaches past it.
        pauses: Gets how long to wait, in seconds, before the next attempt: nothing waits in here.
    """
    return Retrying(
        sleep=pauses.append,
        retry=retry_if_exception_type((ServerUnavailable, ServerOverloaded)),
        wait=_hint + wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
        stop=stop_after_attempt(retries + 1) | stop_before_delay(max(0.0, deadline.left)),
        reraise=True,
    )


class _Hint(wait_base):
    """What the server asks for."""

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome and retry_state.outcome.exception()
        return (error.retry_after_s or 0.0) if isinstance(error, TriologueError) else 0.0


_hint = _Hint()
