"""Sharing what computes among recordings: a bounded number of calls at once, and each recording its turn."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class FairQueue:
    """A bounded number of places, for which the calls of many recordings wait.

    Who waits is served recording by recording, however many calls one of them has waiting: the hundredth call
    of a long recording comes after the first one of whoever comes meanwhile. This is start-time fair queueing
    (Goyal, Vin and Cheng, "Start-time Fair Queuing", 1996), by which every call costs the same.

    For the coroutines of one event loop.

    Args:
        places: How many calls may be under way at once.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        """How many calls may be under way at once."""
        self._free = places
        self._time = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    def flow(self) -> "Flow":
        """Return the calls of one more recording."""
        return Flow(self)

    async def _enter(self, start: int) -> None:
        if self._free > 0:
            self._free -= 1
            self._time = max(self._time, start)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (start, next(self._arrivals), waiter))
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # its turn came at the same moment
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            start, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                self._time = start
                waiter.set_result(None)
                return
        self._free += 1


class Flow:
    """The calls of one recording, in the order in which they are made; from `FairQueue.flow`."""

    def __init__(self, queue: FairQueue) -> None:
        self._queue = queue
        self._next = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it in a context."""
        # Who has not asked for anything for a while does not save up turns.
        start = max(self._queue._time, self._next)
        self._next = start + 1
        await self._queue._enter(start)
        try:
            yield
        finally:
            self._queue._leave()
