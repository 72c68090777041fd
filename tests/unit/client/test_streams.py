"""Calls that take a while: given up, late, many at once."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, aclosing
from typing import Any

import pytest
from tests.unit.client.conftest import Connect, seen_by
from tests.unit.conftest import INFO, PROGRESS, echo, result_event

from triologue import AsyncClient, Cancelled, Client, DeadlineExceeded, InvalidAudio
from triologue.protocol.deadline import Deadline
from triologue.protocol.request import transcription
from triologue.recording import Held
from triologue.transport.address import Address
from triologue.transport.http import HttpTransport

Serve = Callable[..., AbstractContextManager[str]]


class Slow:
    """Tells of progress until the caller goes away, and counts who is still there."""

    def __init__(self, begins: bool = True) -> None:
        self.begins = begins
        self.started, self.left = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, *call: Any) -> Iterator[bytes]:
        self.started.release()
        try:
            while not self.begins:
                time.sleep(0.01)
            yield INFO
            for _ in range(600):
                time.sleep(0.05)
                yield PROGRESS
        finally:
            self.left.release()

    def was_left(self, times: int = 1) -> bool:
        return all(self.left.acquire(timeout=5.0) for _ in range(times))


def test_closing_a_stream_ends_the_work(scheme: str, serve: Serve, connect: Connect) -> None:
    answer = Slow()
    with serve(scheme, answer) as url, connect(url) as client:
        events = client.stream(b"RIFF")
        next(events)
        next(events)
        events.close()
        assert answer.was_left()


def test_a_deadline_ends_the_work(scheme: str, serve: Serve, connect: Connect) -> None:
    answer = Slow()
    with serve(scheme, answer) as url, connect(url) as client:
        with pytest.raises(DeadlineExceeded, match=r"within 0\.3 s"):
            client.transcribe(b"RIFF", timeout_s=0.3)
        assert answer.was_left()


def test_a_server_that_falls_silent(scheme: str, serve: Serve, connect: Connect) -> None:
    """Silence in the middle of an answer is not waited for past the deadline either."""

    def answer(*call: Any) -> Iterator[bytes]:
        yield INFO
        time.sleep(0.6)
        yield PROGRESS
        silence.wait(20.0)

    silence = threading.Event()
    with serve(scheme, answer) as url, connect(url) as client:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="within 1 s"):
            client.transcribe(b"RIFF", timeout_s=1.0)
        assert time.monotonic() - started < 1.5
        silence.set()


def test_cancelling_a_task_ends_the_work(scheme: str, serve: Serve) -> None:
    answer = Slow()

    async def call(url: str) -> None:
        async with AsyncClient(url) as client:
            task = asyncio.create_task(client.transcribe(b"RIFF"))
            await asyncio.to_thread(answer.started.acquire)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(answer.was_left)

    with serve(scheme, answer) as url:
        asyncio.run(call(url))


@pytest.mark.parametrize("begins", [True, False], ids=["answer begins", "nothing comes"])
def test_closing_a_client_ends_the_calls_of_other_threads(scheme: str, begins: bool, serve: Serve) -> None:
    answer, raised = Slow(begins), []

    def call() -> None:
        try:
            client.transcribe(b"RIFF")
        except Exception as error:
            raised.append(error)

    with serve(scheme, answer) as url:
        client = Client(url)
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in threads:
            answer.started.acquire()
        client.close()
        for thread in threads:
            thread.join(5.0)
            assert not thread.is_alive()
        answer.begins = True
        assert answer.was_left(3)
    assert [type(error) for error in raised] == [Cancelled] * 3


def test_an_exchange_that_has_ended_is_not_broken_off(serve: Serve) -> None:
    """A deadline that passes, or a client that is closed, at that very moment finds another call there."""
    deadline = Deadline(60.0, "")
    with serve("http") as url:
        transport = HttpTransport(Address(url))
        first = transport.exchange(transcription(None, {}, "result"), Held(b"RIFF"), deadline)
        first.send()
        while first.receive():
            pass
        first.close()
        second = transport.exchange(transcription(None, {}, "result"), Held(b"RIFF"), deadline)
        second.send()
        first.abort()
        assert "Hello" in str(second.receive())
        second.close()
        transport.close()


def test_an_interrupt_ends_the_work(scheme: str, serve: Serve) -> None:
    answer = Slow()
    program = "import sys; from triologue import Client; Client(sys.argv[1]).transcribe(b'RIFF')"
    with serve(scheme, answer) as url:
        caller = subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, text=True)
        assert answer.started.acquire(timeout=20.0)
        time.sleep(0.2)
        caller.send_signal(signal.SIGINT)
        _, said = caller.communicate(timeout=10.0)
        assert answer.was_left()
    assert said.rstrip().endswith("KeyboardInterrupt")


def staggered(pipeline: str, parameters: dict[str, Any], audio: bytes, headers: dict[str, str]) -> Any:
    """Answer the first recording last."""
    if audio == b"bad":
        return iter_error()
    time.sleep(0.5 if audio == b"0" else 0.0)
    return echo(pipeline, parameters, audio, headers)


def iter_error() -> tuple[int, str]:
    return 400, '{"error": "INVALID_AUDIO: no"}'


@pytest.mark.parametrize("ordered", [True, False])
def test_many_recordings(ordered: bool, serve: Serve, connect: Connect) -> None:
    recordings = [b"0", "missing.wav", b"2", b"bad", 5, b"5"]
    with serve("http", staggered) as url, connect(url) as client:
        outcomes = list(
            client.transcribe_many(
                recordings, pipeline="transcription", concurrency=2, ordered=ordered, beam_size=2
            )
        )
    assert (outcomes[0].index == 0) is ordered
    outcomes.sort(key=lambda outcome: outcome.index)
    assert [outcome.audio for outcome in outcomes] == recordings
    assert [type(outcome.error) for outcome in outcomes] == [
        type(None),
        FileNotFoundError,
        type(None),
        InvalidAudio,
        TypeError,
        type(None),
    ]
    assert seen_by(outcomes[5].unwrap())["audio"] == "5"
    assert seen_by(outcomes[5].result)["parameters"] == {"beam_size": 2}
    with pytest.raises(InvalidAudio):
        outcomes[3].unwrap()


def test_many_recordings_are_bounded(scheme: str, serve: Serve, connect: Connect) -> None:
    running, most, taken = 0, 0, 0
    lock = threading.Lock()

    def answer(*call: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return echo(*call)

    def recordings() -> Iterable[bytes]:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield b"%d" % number

    with serve(scheme, answer) as url, connect(url) as client:
        outcomes = client.transcribe_many(recordings(), concurrency=3)
        assert next(outcomes).index == 0
        assert taken <= 6
        assert [outcome.index for outcome in outcomes] == list(range(1, 30))
    assert most == 3


def test_closing_many_ends_the_work(scheme: str, serve: Serve, connect: Connect) -> None:
    slow = Slow()

    def answer(pipeline: str, parameters: dict[str, Any], audio: bytes, headers: dict[str, str]) -> Any:
        return slow() if audio else echo(pipeline, parameters, audio, headers)

    with serve(scheme, answer) as url, connect(url) as client:
        outcomes = client.transcribe_many([b"", b"1", b"2", b"3", b"4"], concurrency=2)
        next(outcomes).unwrap()
        assert slow.started.acquire(timeout=5.0)
        outcomes.close()
        assert slow.was_left()
        assert client.transcribe(b"").text == "Hello."


def test_a_loop_that_is_left_ends_the_work(scheme: str, serve: Serve) -> None:
    answer = Slow()

    async def call(url: str) -> None:
        async with AsyncClient(url) as client, aclosing(client.stream(b"RIFF")) as events:
            async for _ in events:
                break
        assert await asyncio.to_thread(answer.was_left)

    with serve(scheme, answer) as url:
        asyncio.run(call(url))


def test_calls_of_one_loop_run_side_by_side(scheme: str, serve: Serve) -> None:
    together = threading.Barrier(5)

    def answer(pipeline: str, *call: Any) -> Iterator[bytes]:
        together.wait(10.0)
        yield result_event(echo(pipeline, *call))

    async def call(url: str) -> list[str]:
        async with AsyncClient(url) as client:
            results = await asyncio.gather(*(client.transcribe(b"%d" % number) for number in range(5)))
        return [seen_by(result)["audio"] for result in results]

    with serve(scheme, answer) as url:
        assert asyncio.run(call(url)) == [str(number) for number in range(5)]
