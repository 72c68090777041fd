"""How many recordings, and how much of them, may be in the service at once."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from triologue.schema import PayloadTooLarge, ServerOverloaded, ServerUnavailable
from triologue_server.settings import Limits

_SHORTEST_HINT_S, _LONGEST_HINT_S = 1.0, 60.0
_WEIGHT = 0.2  # of the last interval in the mean of all


class Admission:
    """Lets in a bounded number of recordings, of which a bounded number is worked on.

    For the coroutines of one event loop.

    Args:
        limits: The bounds.
        count: Told by how much the number of those that were let in changes.
        is_stopping: Whether nobody is let in any more.
    """

    def __init__(self, limits: Limits, count: Callable[[int], None], is_stopping: Callable[[], bool]) -> None:
        self._limits = limits
        self._count = count
        self._is_stopping = is_stopping
        self._turns = asyncio.Semaphore(limits.recordings_in_flight)
        self._inside = 0
        self._bytes = 0
        self._left_at = 0.0
        self._interval_s = _SHORTEST_HINT_S

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Let in a recording of `size` bytes, and wait for its turn.

        Raises:
            PayloadTooLarge: It is larger than any may be.
            ServerOverloaded: There is no room at the moment; the message says when there may be.
            ServerUnavailable: The server is stopping.
        """
        self._check(size)
        self._change(1, size)
        try:
            async with self._turns:
                yield
        finally:
            self._change(-1, -size)
            self._note_departure()

    def _check(self, size: int) -> None:
        limits = self._limits
        if self._is_stopping():
            raise ServerUnavailable("the server is stopping")
        if size > limits.upload_bytes:
            raise PayloadTooLarge(f"{size} bytes are more than the {limits.upload_bytes} this server takes")
        if self._inside >= limits.recordings_in_flight + limits.recordings_waiting:
            raise self._overloaded(f"{self._inside} recordings are being worked on or waiting")
        if self._bytes + size > limits.uploads_bytes:
            raise self._overloaded(f"{self._bytes} bytes of recordings are being worked on or waiting")

    def _overloaded(self, why: str) -> ServerOverloaded:
        seconds = math.ceil(min(max(self._interval_s, _SHORTEST_HINT_S), _LONGEST_HINT_S))
        return ServerOverloaded(f"{why}; try again in {seconds} s")

    def _change(self, number: int, size: int) -> None:
        if self._inside == 0:
            # Nobody has waited since the last one left: that interval tells nothing.
            self._left_at = time.monotonic()
        self._inside += number
        self._bytes += size
        self._count(number)

    def _note_departure(self) -> None:
        """Keep the mean time after which another one can be let in."""
        now = time.monotonic()
        self._interval_s += _WEIGHT * (now - self._left_at - self._interval_s)
        self._left_at = now
