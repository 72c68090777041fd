"""Which calls are made again, when, and what of it a caller sees."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest
from tests.unit.client.conftest import Connect
from tests.unit.conftest import INFO, PROGRESS, echo, result_event

from triologue import (
    AccessDenied,
    DeadlineExceeded,
    InfoEvent,
    InternalError,
    InvalidAudio,
    PayloadTooLarge,
    ProgressEvent,
    ServerOverloaded,
    ServerUnavailable,
    TriologueError,
)
from triologue.protocol import retrying
from triologue.protocol.deadline import Deadline
from triologue.protocol.retrying import attempts

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT_S", 0.01)


class Flaky:
    """Fails so many times, and then answers."""

    def __init__(self, failures: int, scheme: str, text: str = "OVERLOADED: come back later") -> None:
        self.failures, self.calls = failures, 0
        self.error = (503, json.dumps({"error": text})) if scheme == "http" else (None, text)

    def __call__(self, *call: Any) -> Any:
        self.calls += 1
        return self.error if self.calls <= self.failures else echo(*call)


def test_a_server_that_is_full_is_asked_again(scheme: str, serve: Serve, connect: Connect) -> None:
    answer = Flaky(3, scheme)
    with serve(scheme, answer) as url, connect(url, retries=3) as client:
        assert client.transcribe(b"RIFF").text == "Hello."
    assert answer.calls == 4


def test_in_the_end_the_error_of_the_server_is_raised(scheme: str, serve: Serve, connect: Connect) -> None:
    answer = Flaky(9, scheme)
    with (
        serve(scheme, answer) as url,
        connect(url, retries=2) as client,
        pytest.raises(ServerOverloaded, match=r"^come back later$"),
    ):
        client.transcribe(b"RIFF")
    assert answer.calls == 3


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("INVALID_AUDIO: no", InvalidAudio),
        ("PAYLOAD_TOO_LARGE: no", PayloadTooLarge),
        ("INTERNAL: no", InternalError),
        ("ACCESS_DENIED: no", AccessDenied),
        ("DEADLINE_EXCEEDED: no", DeadlineExceeded),
    ],
)
def test_what_would_fail_again_is_not_sent_again(
    text: str, error: type[TriologueError], scheme: str, serve: Serve, connect: Connect
) -> None:
    answer = Flaky(9, scheme, text)
    with serve(scheme, answer) as url, connect(url) as client, pytest.raises(error):
        client.transcribe(b"RIFF")
    assert answer.calls == 1


def test_a_server_that_starts_late_is_found(
    scheme: str, free_port: int, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT_S", 0.2)
    with connect(f"{scheme}://127.0.0.1:{free_port}", retries=20) as client:
        servers: list[AbstractContextManager[str]] = []

        def start() -> None:
            servers.append(serve(scheme, port=free_port))
            servers[0].__enter__()

        timer = threading.Timer(0.3, start)
        timer.start()
        try:
            assert client.transcribe(b"RIFF", timeout_s=30).text == "Hello."
        finally:
            timer.join()
            servers[0].__exit__(None, None, None)


class Breaking:
    """Breaks off behind the first events of the first call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pipeline: str, *call: Any) -> Iterator[bytes]:
        self.calls += 1
        yield INFO
        yield PROGRESS
        if self.calls == 1:
            raise ConnectionAbortedError
        yield result_event(echo(pipeline, *call))


def test_an_answer_that_broke_off_is_asked_for_again(serve: Serve, connect: Connect) -> None:
    answer, told = Breaking(), []
    with serve("http", answer) as url, connect(url) as client:
        assert client.transcribe(b"RIFF", on_event=told.append).text == "Hello."
    assert answer.calls == 2
    assert [type(event) for event in told[:4]] == [InfoEvent, ProgressEvent] * 2


def test_a_stream_does_not_tell_events_twice(serve: Serve, connect: Connect) -> None:
    answer = Breaking()
    with serve("http", answer) as url, connect(url) as client:
        events = client.stream(b"RIFF")
        assert [type(next(events)), type(next(events))] == [InfoEvent, ProgressEvent]
        with pytest.raises(ServerUnavailable):
            next(events)
    assert answer.calls == 1


def test_no_wait_reaches_past_the_deadline(
    scheme: str, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT_S", 60.0)
    answer = Flaky(99, scheme)
    started = time.monotonic()
    with serve(scheme, answer) as url, connect(url, retries=99) as client, pytest.raises(ServerOverloaded):
        client.transcribe(b"RIFF", timeout_s=0.2)
    assert time.monotonic() - started < 10.0


def test_the_server_says_when_to_come_back(
    scheme: str, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Flaky(1, scheme, "OVERLOADED: 4 recordings are waiting; try again in 1.5 s")
    started = time.monotonic()
    with serve(scheme, answer) as url, connect(url) as client:
        assert client.transcribe(b"RIFF").text == "Hello."
    assert time.monotonic() - started >= 1.5


def test_a_server_that_says_to_come_back_too_late_is_not_waited_for(
    scheme: str, serve: Serve, connect: Connect
) -> None:
    answer = Flaky(9, scheme, "OVERLOADED: try again in 60 s")
    with (
        serve(scheme, answer) as url,
        connect(url) as client,
        pytest.raises(ServerOverloaded) as refused,
    ):
        client.transcribe(b"RIFF", timeout_s=5.0)
    assert refused.value.retry_after_s == 60.0
    assert answer.calls == 1


def test_waits_grow_and_differ() -> None:
    def pauses_of_a_call() -> list[float]:
        pauses: list[float] = []
        with suppress(ServerUnavailable):
            for attempt in attempts(6, Deadline(1e6, ""), pauses):
                with attempt:
                    raise ServerUnavailable("not there")
        assert len(pauses) == 6
        return pauses

    many = [pauses_of_a_call() for _ in range(50)]
    for retry in range(6):
        waits = [pauses[retry] for pauses in many]
        assert 0.0 <= min(waits) < max(waits) <= 0.01 * 2**retry
