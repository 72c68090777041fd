"""Who waits for an answer: whether they are still there, and whether their time is up."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

from triologue.schema import Cancelled, DeadlineExceeded, Event, ResultEvent

Answer = TypeVar("Answer")

_BEAT_S = 0.5


class Caller:
    """Somebody who waits for a recording.

    Triton notices that a caller over HTTP has gone when something is sent to them. A heartbeat is for that.

    Args:
        send: Sends an event, or a reply without one.
        has_gone: Whether Triton knows that they went away.
        events: Which events they want.
        heartbeat: Whether they want a reply now and then while there is nothing to tell.
        timeout_s: How long they wait, in seconds; `None` if they do not say.
    """

    def __init__(
        self,
        send: Callable[[Event | None], None],
        has_gone: Callable[[], bool],
        events: Literal["all", "result"],
        heartbeat: bool,
        timeout_s: float | None,
    ) -> None:
        self._send = send
        self._has_gone = has_gone
        self._events = events
        self._heartbeat = heartbeat
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._was_called_off = False

    def call_off(self) -> None:
        """End what is done for them."""
        self._was_called_off = True

    async def tell(self, event: Event) -> None:
        """Send an event, if they want it."""
        self._check()
        if self._events == "all" or isinstance(event, ResultEvent):
            self._send(event)

    async def attended(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do work as long as they wait for it, and return what it returns.

        Raises:
            Cancelled: They went away, or called it off.
            DeadlineExceeded: They wait no longer.
        """
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait({task}, timeout=self._until_next_beat()))[0]:
                self._check()
                if self._heartbeat:
                    self._send(None)
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _until_next_beat(self) -> float:
        left = _BEAT_S if self._deadline is None else self._deadline - time.monotonic()
        return max(0.0, min(_BEAT_S, left))

    def _check(self) -> None:
        if self._was_called_off or self._has_gone():
            raise Cancelled("the caller went away")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlineExceeded(f"no answer within the {self._timeout_s:g} s of timeout_s")
