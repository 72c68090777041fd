"""Doing a bounded number of things at once, in order, with nothing left running when one fails."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from concurrent.futures import Executor
from typing import Any, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


async def bounded_map(
    work: Callable[[Item], Coroutine[Any, Any, Outcome]], items: AsyncIterable[Item], limit: int
) -> AsyncGenerator[Outcome, None]:
    """Yield the outcome of `work` for each item, in order, with at most `limit` of them under way.

    Items are taken as places become free, outcomes are yielded as soon as all before them are. When anything
    fails, or the generator is closed, what is under way is cancelled.
    """
    started: asyncio.Queue[asyncio.Task[Outcome] | None] = asyncio.Queue()
    tasks: set[asyncio.Task[Outcome]] = set()
    places = asyncio.Semaphore(limit)

    def finished(task: asyncio.Task[Outcome]) -> None:
        tasks.discard(task)
        places.release()
        # Whatever is started now would be for nothing.
        if not task.cancelled() and task.exception():
            starter.cancel()

    async def start() -> None:
        try:
            async for item in items:
                await places.acquire()
                task = asyncio.create_task(work(item))
                tasks.add(task)
                task.add_done_callback(finished)
                started.put_nowait(task)
        finally:
            started.put_nowait(None)

    starter = asyncio.create_task(start())
    try:
        while (task := await started.get()) is not None:
            yield await task
        await starter
    finally:
        await _cancel(starter, *tasks)


async def all_or_cancel(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Run coroutines at once; when one fails, cancel the others and raise its error."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _cancel(*tasks)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    # Their errors came after the one that is being raised, or after the caller stopped listening.
    await asyncio.gather(*tasks, return_exceptions=True)


async def drain(queue: "asyncio.Queue[Item | None]") -> AsyncIterator[Item]:
    """Yield what is put into a queue, until `None` is."""
    while (item := await queue.get()) is not None:
        yield item


async def in_thread(pool: Executor, work: Callable[[], Outcome]) -> Outcome:
    """Do blocking work in a thread of `pool`."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)


async def each_in_thread(pool: Executor, items: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield items whose making takes time, each made in a thread of `pool` when it is asked for."""
    iterator = iter(items)
    end = object()
    while (item := await in_thread(pool, lambda: next(iterator, end))) is not end:
        yield item  # type: ignore[misc]
