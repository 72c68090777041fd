"""What the client raises, by what the server or the network does."""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import grpc
import pytest
from tests.unit.client.conftest import Connect

from triologue import (
    AccessDenied,
    Cancelled,
    DeadlineExceeded,
    InternalError,
    InvalidAudio,
    NotFound,
    PayloadTooLarge,
    ServerOverloaded,
    ServerUnavailable,
    TriologueError,
)

Serve = Callable[..., AbstractContextManager[str]]


def test_connection_refused(scheme: str, free_port: int, connect: Connect) -> None:
    url = f"{scheme}://127.0.0.1:{free_port}"
    with connect(url, retries=0) as client:
        with pytest.raises(
            ServerUnavailable, match=f"^{url} cannot be reached: .*Connection refused"
        ) as caught:
            client.transcribe(b"RIFF")
        assert caught.value.__cause__ is not None
        with pytest.raises(ServerUnavailable, match=url):
            client.server_info()
        assert client.is_ready() is False


def test_host_that_does_not_exist(scheme: str, connect: Connect) -> None:
    with (
        connect(f"{scheme}://no-such-host.invalid:1", retries=0) as client,
        pytest.raises(ServerUnavailable, match="invalid"),
    ):
        client.transcribe(b"RIFF")


def test_silent_server(scheme: str, connect: Connect) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        started = time.monotonic()
        with connect(url) as client, pytest.raises(DeadlineExceeded, match=f"{url} within 0.5 s"):
            client.transcribe(b"RIFF", timeout_s=0.5)
        assert 0.4 < time.monotonic() - started < 3.0


@pytest.mark.parametrize(("ours", "theirs"), [("http", "grpc"), ("grpc", "http"), ("https", "http")])
def test_server_that_speaks_something_else(ours: str, theirs: str, serve: Serve, connect: Connect) -> None:
    with (
        serve(theirs) as url,
        connect(url.replace(theirs, ours, 1), timeout_s=5.0, retries=0) as client,
        pytest.raises(ServerUnavailable, match=f"^{ours}://"),
    ):
        client.transcribe(b"RIFF")


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (400, {"error": "INVALID_AUDIO: no stream in it"}, InvalidAudio, "no stream in it"),
        (400, 'data: {"error": "INVALID_AUDIO: no stream in it"}\n\n', InvalidAudio, "no stream in it"),
        (500, {"error": "in ensemble 'x', OVERLOADED: queue is full"}, ServerOverloaded, "queue is full"),
        (400, {"error": "Request for unknown model: 'x' is not found"}, NotFound, "unknown model: 'x'"),
        (503, {"error": "Exceeds maximum queue size"}, ServerOverloaded, "maximum queue size"),
        (
            400,
            {"error": "Request JSON size of 9 bytes exceeds the maximum allowed value of 8"},
            PayloadTooLarge,
            "9",
        ),
        (404, "<h1>Not Found</h1>", NotFound, "HTTP 404"),
        (413, "<h1>Too large</h1>", PayloadTooLarge, "HTTP 413"),
        (413, "", PayloadTooLarge, "HTTP 413"),
        (429, "slower", ServerOverloaded, "HTTP 429"),
        (503, "", ServerUnavailable, "HTTP 503"),
        (502, "<h1>Bad Gateway</h1>", ServerUnavailable, "HTTP 502"),
        (504, "", DeadlineExceeded, "HTTP 504"),
        (400, {"error": "expected 1 inputs but got 2"}, InternalError, "HTTP 400, expected 1 inputs"),
        (401, "who are you", AccessDenied, "HTTP 401"),
        (403, "", AccessDenied, "HTTP 403"),
        (302, "", InternalError, "HTTP 302"),
        (200, "<h1>Welcome</h1>", InternalError, "not Triton's"),
        (200, {}, InternalError, "not Triton's"),
    ],
)
def test_http_errors(
    status: int,
    body: dict[str, str] | str,
    error: type[TriologueError],
    message: str,
    serve: Serve,
    connect: Connect,
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    with (
        serve("http", lambda *call: (status, text)) as url,
        connect(url, retries=0) as client,
        pytest.raises(error, match=message) as caught,
    ):
        client.transcribe(b"RIFF")
    assert type(caught.value) is error
    assert "<h1>" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "details", "error"),
    [
        (None, "INVALID_AUDIO: no stream in it", InvalidAudio),
        (None, "in ensemble 'x', OVERLOADED: queue is full", ServerOverloaded),
        (None, "Request for unknown model: 'x' is not found", NotFound),
        (None, "expected 1 inputs but got 2", InternalError),
        ("UNAVAILABLE", "server is exiting", ServerUnavailable),
        ("UNAUTHENTICATED", "no key", AccessDenied),
        ("PERMISSION_DENIED", "not with this key", AccessDenied),
        ("NOT_FOUND", "no", NotFound),
        ("RESOURCE_EXHAUSTED", "later", ServerOverloaded),
        ("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (9 vs. 8)", PayloadTooLarge),
        ("DEADLINE_EXCEEDED", "", DeadlineExceeded),
        ("CANCELLED", "", Cancelled),
        ("UNKNOWN", "?", InternalError),
    ],
)
def test_grpc_errors(
    status: str | None, details: str, error: type[TriologueError], serve: Serve, connect: Connect
) -> None:
    code = grpc.StatusCode[status] if status else None
    with (
        serve("grpc", lambda *call: (code, details)) as url,
        connect(url, retries=0) as client,
        pytest.raises(TriologueError) as caught,
    ):
        client.transcribe(b"RIFF")
    assert type(caught.value) is error
    assert caught.value.message


def test_an_error_behind_events(serve: Serve, connect: Connect) -> None:
    """Triton says what went wrong in the stream, whose status is long out."""

    def broken() -> Any:
        yield b'{"type": "progress", "stage": "embedding", "completed": 1, "total": 2}'
        raise ConnectionAbortedError

    with serve("http", lambda *call: broken()) as url, connect(url, retries=0) as client:
        events = client.stream(b"RIFF")
        assert next(events).stage == "embedding"
        with pytest.raises(ServerUnavailable, match="broke off the connection"):
            next(events)


def test_waiting_for_a_server_that_starts_late(
    scheme: str, free_port: int, serve: Serve, connect: Connect
) -> None:
    with ExitStack() as stack, connect(f"{scheme}://127.0.0.1:{free_port}") as client:
        assert client.is_ready() is False
        with pytest.raises(ServerUnavailable, match=r"not ready within 0\.2 s: .*Connection refused"):
            client.wait_until_ready(timeout_s=0.2)
        start = threading.Timer(0.3, lambda: stack.enter_context(serve(scheme, port=free_port)))
        start.start()
        client.wait_until_ready(timeout_s=20.0)
        start.join()
        assert client.transcribe(b"RIFF").text == "Hello."
