"""How many recordings are let in, and what those are told that are not."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from triologue import PayloadTooLarge, ServerOverloaded, ServerUnavailable
from triologue_server.conductor.admission import Admission
from triologue_server.settings import Settings

LIMITS = {"upload_mb": 2, "uploads_mb": 5, "recordings_in_flight": 2, "recordings_waiting": 3}


class Recordings:
    """Recordings that are worked on until they are told to end."""

    def __init__(self, **limits: int) -> None:
        self.inside, self.begun = 0, 0
        self.is_stopping = False
        self.admission = Admission(
            Settings(limits={**LIMITS, **limits}).limits, self._count, lambda: self.is_stopping
        )
        self._end = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def _count(self, change: int) -> None:
        self.inside += change

    async def come(self, number: int, size: int = 100) -> list["asyncio.Task[None]"]:
        tasks = [asyncio.create_task(self._stay(size)) for _ in range(number)]
        self._tasks += tasks
        await asyncio.sleep(0.01)
        return tasks

    async def _stay(self, size: int) -> None:
        async with self.admission.turn(size):
            self.begun += 1
            await self._end.wait()

    async def end(self) -> list[BaseException | None]:
        self._end.set()
        return await asyncio.gather(*self._tasks, return_exceptions=True)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 30))


def test_some_are_worked_on_and_some_wait() -> None:
    async def scenario() -> None:
        recordings = Recordings()
        await recordings.come(5)
        assert (recordings.inside, recordings.begun) == (5, 2)
        assert await recordings.end() == [None] * 5
        assert (recordings.inside, recordings.begun) == (0, 5)

    run(scenario())


def test_further_ones_are_refused_at_once_and_told_when_to_come_back() -> None:
    async def scenario() -> None:
        recordings = Recordings()
        await recordings.come(5)
        (refused,) = await recordings.come(1)
        error = refused.exception()
        assert isinstance(error, ServerOverloaded)
        assert error.message == "5 recordings are being worked on or waiting; try again in 1 s"
        assert error.retry_after_s == 1.0
        assert recordings.inside == 5
        await recordings.end()
        # Whoever comes then is let in.
        (task,) = await recordings.come(1)
        assert task.exception() is None

    run(scenario())


def test_a_server_that_stops_lets_nobody_in_and_finishes_what_is_inside() -> None:
    async def scenario() -> None:
        recordings = Recordings()
        await recordings.come(4)
        recordings.is_stopping = True
        (refused,) = await recordings.come(1)
        assert isinstance(refused.exception(), ServerUnavailable)
        assert (await recordings.end()).count(None) == 4

    run(scenario())


def test_their_bytes_are_bounded_together() -> None:
    async def scenario() -> None:
        recordings = Recordings()
        await recordings.come(2, 2_000_000)
        (refused,) = await recordings.come(1, 1_000_001)
        error = refused.exception()
        assert isinstance(error, ServerOverloaded)
        assert error.message.startswith("4000000 bytes of recordings are being worked on or waiting; try")
        (task,) = await recordings.come(1, 1_000_000)
        assert not task.done()
        await recordings.end()

    run(scenario())


def test_one_that_is_too_large_is_refused_for_good() -> None:
    async def scenario() -> None:
        (refused,) = await Recordings().come(1, 2_000_001)
        with pytest.raises(
            PayloadTooLarge, match="2000001 bytes are more than the 2000000 this server takes"
        ):
            refused.result()

    run(scenario())


def test_the_largest_upload_is_let_in_whatever_the_sum_may_be() -> None:
    async def scenario() -> None:
        recordings = Recordings(uploads_mb=1)
        await recordings.come(1, 2_000_000)
        assert recordings.begun == 1
        await recordings.end()

    run(scenario())


def test_who_waits_may_go() -> None:
    async def scenario() -> None:
        recordings = Recordings()
        tasks = await recordings.come(5)
        tasks[3].cancel()
        await asyncio.sleep(0.01)
        assert recordings.inside == 4
        (task,) = await recordings.come(1)
        assert not task.done()
        await recordings.end()

    run(scenario())


def test_the_slower_recordings_leave_the_later_one_is_to_come_back() -> None:
    async def scenario() -> float | None:
        limits = Settings(limits={**LIMITS, "recordings_waiting": 0}).limits
        admission = Admission(limits, lambda _: None, lambda: False)
        admission._interval_s = 7.3

        async def fill(number: int) -> None:
            async with admission.turn(1):
                if number:
                    await fill(number - 1)

        with pytest.raises(ServerOverloaded) as refused:
            await fill(2)
        return refused.value.retry_after_s

    assert run(scenario()) == 8.0
