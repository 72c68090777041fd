"""Who gets the next place at what computes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from triologue_server.conductor.fairness import FairQueue, Flow


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Calls:
    """Calls that hold their places until they are told to end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    def make(self, flow: Flow, *names: str) -> list["asyncio.Task[None]"]:
        return [asyncio.create_task(self._call(flow, name)) for name in names]

    async def _call(self, flow: Flow, name: str) -> None:
        self._ends[name] = asyncio.Event()
        async with flow.place():
            self.begun.append(name)
            await self._ends[name].wait()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settled()

    async def end_all(self) -> None:
        """End whatever has begun, one after the other, until nothing begins any more."""
        for name in self.begun:
            await self.end(name)


def run(work: Callable[[Calls], Awaitable[None]]) -> None:
    asyncio.run(work(Calls()))  # type: ignore[arg-type]


def test_no_more_are_under_way_than_there_are_places() -> None:
    async def work(calls: Calls) -> None:
        calls.make(FairQueue(2).flow(), "a", "b", "c", "d")
        await settled()
        assert calls.begun == ["a", "b"]
        await calls.end("b")
        assert calls.begun == ["a", "b", "c"]
        await calls.end_all()
        assert calls.begun == ["a", "b", "c", "d"]

    run(work)


def test_a_recording_that_comes_later_is_next() -> None:
    async def work(calls: Calls) -> None:
        queue = FairQueue(1)
        calls.make(queue.flow(), *(f"long {number}" for number in range(8)))
        await settled()
        await calls.end("long 0")
        calls.make(queue.flow(), "short")
        await settled()
        await calls.end_all()
        assert calls.begun.index("short") in (2, 3)  # long 1 is under way, and long 2 has waited as long

    run(work)


def test_recordings_take_turns_however_much_they_have_waiting() -> None:
    async def work(calls: Calls) -> None:
        queue = FairQueue(1)
        first, second = queue.flow(), queue.flow()
        calls.make(first, *(f"a{number}" for number in range(6)))
        calls.make(second, "b0", "b1", "b2")
        await settled()
        await calls.end_all()
        assert calls.begun == ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "a4", "a5"]

    run(work)


def test_who_has_not_asked_for_a_while_saves_up_no_turns() -> None:
    async def work(calls: Calls) -> None:
        queue = FairQueue(1)
        idle, busy = queue.flow(), queue.flow()
        calls.make(idle, "idle 0")
        await settled()
        await calls.end_all()
        for number in range(20):
            calls.make(busy, f"busy {number}")
            await settled()
            await calls.end_all()
        calls.begun.clear()
        calls.make(busy, "busy 20", "busy 21", "busy 22")
        calls.make(idle, "idle 1", "idle 2", "idle 3")
        await settled()
        await calls.end_all()
        assert calls.begun == ["busy 20", "idle 1", "busy 21", "idle 2", "busy 22", "idle 3"]

    run(work)


@pytest.mark.parametrize("waiting", [0, 1, 3])
def test_a_cancelled_call_takes_no_place(waiting: int) -> None:
    async def work(calls: Calls) -> None:
        queue = FairQueue(1)
        calls.make(queue.flow(), "first")
        given_up = calls.make(queue.flow(), *(f"given up {number}" for number in range(waiting)))
        await settled()
        for task in given_up:
            task.cancel()
        await settled()
        await calls.end("first")
        calls.make(queue.flow(), "next")
        await settled()
        assert calls.begun == ["first", "next"]
        await calls.end_all()

    run(work)


def test_a_call_that_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    async def work(calls: Calls) -> None:
        queue = FairQueue(1)
        calls.make(queue.flow(), "first")
        (given_up,) = calls.make(queue.flow(), "given up")
        calls.make(queue.flow(), "next")
        await settled()
        calls._ends["first"].set()
        await asyncio.sleep(0)  # its place is given on, and who got it has not gone on yet
        given_up.cancel()
        await settled()
        assert calls.begun == ["first", "next"]
        await calls.end_all()

    run(work)


def test_a_call_that_fails_gives_its_place_back() -> None:
    async def work(_: Calls) -> None:
        flow = FairQueue(1).flow()
        with pytest.raises(ValueError, match="broken"):
            async with flow.place():
                raise ValueError("broken")
        async with flow.place():
            pass  # would wait for ever

    run(work)
