"""Bounded concurrency: order, bound, and nothing left running whatever happens."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import pytest

from triologue_server.conductor.flow import all_or_cancel, bounded_map, drain, each_in_thread, in_thread

pytestmark = pytest.mark.timeout(20)


class Work:
    """Work that lasts until it is let go, and keeps count of itself."""

    def __init__(self, *free: int) -> None:
        self.free = set(free)
        self.started: list[int] = []
        self.finished: list[int] = []
        self.cancelled: list[int] = []
        self.most_at_once = 0
        self._let_go = asyncio.Condition()

    async def __call__(self, item: int) -> int:
        self.started.append(item)
        self.most_at_once = max(self.most_at_once, len(self.under_way))
        try:
            async with self._let_go:
                await self._let_go.wait_for(lambda: item in self.free)
        except asyncio.CancelledError:
            self.cancelled.append(item)
            raise
        self.finished.append(item)
        return 10 * item

    @property
    def under_way(self) -> list[int]:
        return [item for item in self.started if item not in self.finished + self.cancelled]

    async def finish(self, *items: int) -> None:
        async with self._let_go:
            self.free.update(items)
            self._let_go.notify_all()
        await settle()


async def settle() -> None:
    """Let every task go as far as it can without waiting for the outside."""
    for _ in range(20):
        await asyncio.sleep(0)


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def number_and_wait() -> AsyncIterator[int]:
    """A source that has one item now, and the next one never."""
    yield 0
    await asyncio.Event().wait()


async def number_and_break() -> AsyncIterator[int]:
    yield 0
    raise RuntimeError("the source broke")


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test; nothing may be left running, nor any error unseen."""

    async def checked() -> None:
        unseen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        await test()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        gc.collect()  # asyncio reports errors nobody asked for when it lets go of the task
        await settle()
        assert unseen == []

    asyncio.run(checked())


class TestBoundedMap:
    def test_outcomes_come_in_order(self) -> None:
        async def test() -> None:
            work = Work()

            async def backwards() -> None:
                for item in (3, 2, 1, 0):
                    await settle()
                    await work.finish(item)

            finisher = asyncio.create_task(backwards())
            assert [outcome async for outcome in bounded_map(work, numbers(4), 4)] == [0, 10, 20, 30]
            assert work.finished == [3, 2, 1, 0]
            await finisher

        run(test)

    def test_no_items(self) -> None:
        async def test() -> None:
            assert [outcome async for outcome in bounded_map(Work(), numbers(0), 1)] == []

        run(test)

    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_bound(self, limit: int) -> None:
        async def test() -> None:
            work = Work()
            consumer = asyncio.create_task(collect(bounded_map(work, numbers(12), limit)))
            await settle()
            assert work.started == list(range(limit))
            for item in range(12):
                await work.finish(item)
                # Each place that becomes free is taken at once.
                assert work.started == list(range(min(12, item + 1 + limit)))
            assert await consumer == [10 * item for item in range(12)]
            assert work.most_at_once == limit

        run(test)

    def test_places_do_not_wait_for_the_first(self) -> None:
        """A slow item keeps the outcomes behind it waiting, not the work."""

        async def test() -> None:
            work = Work(1, 2, 3, 4)
            consumer = asyncio.create_task(collect(bounded_map(work, numbers(5), 2)))
            await settle()
            assert work.finished == [1, 2, 3, 4]
            await work.finish(0)
            assert await consumer == [0, 10, 20, 30, 40]

        run(test)

    def test_outcome_comes_while_the_source_waits(self) -> None:
        async def test() -> None:
            async with aclosing(bounded_map(Work(0), number_and_wait(), 4)) as outcomes:
                assert await anext(outcomes) == 0

        run(test)

    def test_error_comes_while_the_source_waits(self) -> None:
        async def test() -> None:
            with pytest.raises(RuntimeError, match="work 0 failed"):
                await collect(bounded_map(fail, number_and_wait(), 4))

        run(test)

    def test_error_cancels_the_rest(self) -> None:
        async def test() -> None:
            work = Work(0)

            async def fail_at_1(item: int) -> int:
                return await (fail if item == 1 else work)(item)

            seen: list[int] = []
            with pytest.raises(RuntimeError, match="work 1 failed"):
                await collect(bounded_map(fail_at_1, numbers(100), 3), seen)
            assert seen == [0]
            assert work.under_way == []
            # Item 1 gave its place back when it failed, at most.
            assert set(work.cancelled) <= {2, 3, 4, 5}

        run(test)

    def test_several_errors_at_once(self) -> None:
        """When a core goes away all that wait for it fail; the first is raised, asyncio reports no other."""

        async def test() -> None:
            work = Work()

            async def fail_but_for_0(item: int) -> int:
                return await (work if item == 0 else fail)(item)

            consumer = asyncio.create_task(collect(bounded_map(fail_but_for_0, numbers(8), 4)))
            await settle()
            await work.finish(0)
            with pytest.raises(RuntimeError, match="work 1 failed"):
                await consumer

        run(test)

    def test_nothing_is_started_after_an_error(self) -> None:
        """Also while the error waits for its turn behind the outcome of a slow item."""

        async def test() -> None:
            work, failed = Work(), []

            async def fail_but_for_0(item: int) -> int:
                if item == 0:
                    return await work(0)
                failed.append(item)
                return await fail(item)

            consumer = asyncio.create_task(collect(bounded_map(fail_but_for_0, numbers(100), 2)))
            await settle()
            await work.finish(0)
            with pytest.raises(RuntimeError, match="work 1 failed"):
                await consumer
            assert failed == [1]

        run(test)

    def test_error_of_the_source(self) -> None:
        async def test() -> None:
            work = Work(0)
            seen: list[int] = []
            with pytest.raises(RuntimeError, match="the source broke"):
                await collect(bounded_map(work, number_and_break(), 4), seen)
            assert seen == [0]

        run(test)

    def test_closing_early_cancels(self) -> None:
        async def test() -> None:
            work = Work(0)
            async with aclosing(bounded_map(work, numbers(100), 3)) as outcomes:
                assert await anext(outcomes) == 0
                await settle()
            assert work.under_way == []
            assert sorted(work.cancelled) == [1, 2, 3]

        run(test)

    def test_cancelling_the_consumer_cancels(self) -> None:
        async def test() -> None:
            work = Work()
            consumer = asyncio.create_task(collect(bounded_map(work, numbers(100), 3)))
            await settle()
            consumer.cancel()
            with pytest.raises(asyncio.CancelledError):
                await consumer
            assert sorted(work.cancelled) == [0, 1, 2]

        run(test)


class TestAllOrCancel:
    def test_runs_at_once(self) -> None:
        async def test() -> None:
            here, there = asyncio.Event(), asyncio.Event()
            await all_or_cancel(meet(here, there), meet(there, here))

        run(test)

    def test_nothing_to_do(self) -> None:
        run(all_or_cancel)

    def test_error_cancels_the_others(self) -> None:
        async def test() -> None:
            work = Work()
            with pytest.raises(RuntimeError, match="work 1 failed"):
                await all_or_cancel(work(0), fail(1), work(2))
            assert sorted(work.cancelled) == [0, 2]

        run(test)

    def test_error_waits_for_the_others_to_end(self) -> None:
        async def test() -> None:
            ended: list[str] = []

            async def slow_to_end() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    await asyncio.sleep(0.01)
                    ended.append("slow")

            with pytest.raises(RuntimeError, match="work 0 failed"):
                await all_or_cancel(slow_to_end(), fail(0))
            assert ended == ["slow"]

        run(test)

    def test_several_errors_at_once(self) -> None:
        async def test() -> None:
            with pytest.raises(RuntimeError, match="work 0 failed"):
                await all_or_cancel(fail(0), fail(1), fail(2))

        run(test)

    def test_cancelling_cancels_all(self) -> None:
        async def test() -> None:
            work = Work()
            all_of_it = asyncio.create_task(all_or_cancel(work(0), work(1)))
            await settle()
            all_of_it.cancel()
            with pytest.raises(asyncio.CancelledError):
                await all_of_it
            assert sorted(work.cancelled) == [0, 1]

        run(test)


class TestDrain:
    def test_ends_at_none(self) -> None:
        async def test() -> None:
            queue: asyncio.Queue[int | None] = asyncio.Queue()
            for item in (0, 1, None, 2):
                queue.put_nowait(item)
            assert await collect(drain(queue)) == [0, 1]
            assert queue.get_nowait() == 2

        run(test)

    def test_waits_for_items(self) -> None:
        async def test() -> None:
            queue: asyncio.Queue[int | None] = asyncio.Queue()
            drained = drain(queue)
            waiting = asyncio.ensure_future(anext(drained))
            await settle()
            assert not waiting.done()
            queue.put_nowait(7)
            assert await waiting == 7

        run(test)


class TestInThread:
    def test_the_loop_goes_on_meanwhile(self) -> None:
        async def test() -> None:
            let_go = threading.Event()

            async def finish() -> None:
                let_go.set()

            with ThreadPoolExecutor(1) as pool:
                heard, _ = await asyncio.gather(in_thread(pool, lambda: let_go.wait(10.0)), finish())
            assert heard is True

        run(test)

    def test_error_comes_out(self) -> None:
        async def test() -> None:
            with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
                await in_thread(pool, lambda: 1 // 0)

        run(test)


class TestEachInThread:
    def test_items_come_in_order_each_made_in_the_pool(self) -> None:
        async def test() -> None:
            makers: list[str] = []

            def make() -> Iterator[int]:
                for number in range(3):
                    makers.append(threading.current_thread().name)
                    yield number

            with ThreadPoolExecutor(1, "maker") as pool:
                assert await collect(each_in_thread(pool, make())) == [0, 1, 2]
            assert makers == ["maker_0"] * 3

        run(test)

    def test_none_is_made_before_it_is_asked_for(self) -> None:
        async def test() -> None:
            made: list[int] = []

            def make() -> Iterator[int]:
                for number in range(3):
                    made.append(number)
                    yield number

            with ThreadPoolExecutor(1) as pool:
                async with aclosing(each_in_thread(pool, make())) as items:
                    assert made == []
                    assert await anext(items) == 0
                    await settle()
                    assert made == [0]

        run(test)

    def test_nothing_to_make(self) -> None:
        async def test() -> None:
            with ThreadPoolExecutor(1) as pool:
                assert await collect(each_in_thread(pool, [])) == []

        run(test)

    def test_items_may_be_none(self) -> None:
        async def test() -> None:
            with ThreadPoolExecutor(1) as pool:
                assert [item async for item in each_in_thread(pool, [None, 0, False])] == [None, 0, False]

        run(test)

    def test_error_comes_after_the_items_before_it(self) -> None:
        async def test() -> None:
            def make() -> Iterator[int]:
                yield 0
                raise RuntimeError("the maker broke")

            seen: list[int] = []
            with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="the maker broke"):
                await collect(each_in_thread(pool, make()), seen)
            assert seen == [0]

        run(test)


async def collect(outcomes: AsyncIterator[int], into: list[int] | None = None) -> list[int]:
    collected = [] if into is None else into
    async for outcome in outcomes:
        collected.append(outcome)
    return collected


async def fail(item: int) -> int:
    raise RuntimeError(f"work {item} failed")


async def meet(mine: asyncio.Event, theirs: asyncio.Event) -> None:
    mine.set()
    await theirs.wait()
