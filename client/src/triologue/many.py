"""Many recordings, a bounded number of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from triologue.audio import Audio

Answer = TypeVar("Answer")
Given = TypeVar("Given")
Came = TypeVar("Came")

# Recordings that have been taken, for each that is under way: the next one is at hand when one ends, and a
# slow one does not hold up those behind it at once when answers are to come in order.
_TAKEN = 2


@dataclass(frozen=True)
class Outcome(Generic[Answer]):
    """What came of one of many recordings: a result, or an error."""

    index: int
    """Its place among the recordings, from 0."""
    audio: Audio
    """The recording, as it was given."""
    result: Answer | None = None
    """The answer, unless there is an error."""
    error: Exception | None = None
    """What went wrong: a `TriologueError`, an `OSError`, or a `TypeError` for what is no recording."""

    def unwrap(self) -> Answer:
        """Return the result, or raise the error."""
        if self.result is None:
            raise self.error or AssertionError("neither a result nor an error")
        return self.result


def check_concurrency(concurrency: int) -> None:
    """Refuse a number of calls that is none.

    Raises:
        ValueError: It is below 1.
    """
    if concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")


def in_threads(
    ask: Callable[[Audio], Answer],
    recordings: Iterable[Audio],
    concurrency: int,
    *,
    ordered: bool,
    abort: Callable[[], None],
) -> Generator[Outcome[Answer], None, None]:
    """Yield what comes of each recording; they are taken as there is room for them.

    Args:
        ask: Makes the call of one recording.
        recordings: Any number of them.
        concurrency: Calls under way at once.
        ordered: In the order of the recordings, or as answers come.
        abort: Ends the calls under way; called when the caller has had enough.
    """

    def outcome(numbered: tuple[int, Audio]) -> Outcome[Answer]:
        index, audio = numbered
        try:
            return Outcome(index, audio, result=ask(audio))
        except Exception as error:
            return Outcome(index, audio, error=error)

    return through_threads(outcome, enumerate(recordings), concurrency, ordered=ordered, abort=abort)


def through_threads(
    work: Callable[[Given], Came],
    given: Iterable[Given],
    concurrency: int,
    *,
    ordered: bool,
    abort: Callable[[], None],
) -> Generator[Came, None, None]:
    """Yield what `work` makes of each of what is given, which is taken as there is room for it.

    Args:
        work: Raises nothing.
        given: Any number of them.
        concurrency: Threads.
        ordered: In the order of what is given, or as it is ready.
        abort: Ends what is under way; called when the caller has had enough.
    """

    def first() -> Came:
        future = waiting[0] if ordered else next(iter(wait(waiting, None, FIRST_COMPLETED).done))
        waiting.remove(future)
        return future.result()

    pool = ThreadPoolExecutor(concurrency, "triologue")
    waiting: list[Future[Came]] = []
    try:
        for each in given:
            waiting.append(pool.submit(work, each))
            if len(waiting) >= _TAKEN * concurrency:
                yield first()
        while waiting:
            yield first()
    finally:
        abort()
        pool.shutdown(cancel_futures=True)


async def in_tasks(
    ask: Callable[[Audio], Awaitable[Answer]], recordings: Iterable[Audio], concurrency: int, *, ordered: bool
) -> AsyncGenerator[Outcome[Answer], None]:
    """Yield what comes of each recording, as `in_threads` does."""
    places = asyncio.Semaphore(concurrency)

    async def outcome(index: int, audio: Audio) -> Outcome[Answer]:
        async with places:
            try:
                return Outcome(index, audio, result=await ask(audio))
            except Exception as error:
                return Outcome(index, audio, error=error)

    async def first() -> Outcome[Answer]:
        done = {waiting[0]}
        if not ordered:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        answer = await task
        waiting.remove(task)
        return answer

    waiting: list[asyncio.Task[Outcome[Answer]]] = []
    try:
        for index, audio in enumerate(recordings):
            waiting.append(asyncio.create_task(outcome(index, audio)))
            if len(waiting) >= _TAKEN * concurrency:
                yield await first()
        while waiting:
            yield await first()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
