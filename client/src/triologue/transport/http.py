"""HTTP for threads, through httpx."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent

from triologue.protocol.deadline import Deadline
from triologue.protocol.request import Request
from triologue.protocol.steps import Ask
from triologue.recording import Recording
from triologue.schema import Cancelled
from triologue.transport.address import Address
from triologue.transport.http_errors import typed_errors
from triologue.transport.http_messages import STREAM_PATH, Body, error_of, path_of, read_answer, read_event

CONNECT_TIMEOUT_S = 10.0  # a host that does not take a connection by then is not there
# Calls are bounded by who makes them; connections that are not in use, here.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0)


class TimeLeft(dict[str, float]):
    """httpx's timeouts, of which each lasts until the deadline, by the time it begins."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def get(self, phase: str, default: Any = None) -> float:
        """Return the seconds that a phase may take."""
        left = max(self._deadline.left, 0.001)
        return min(left, CONNECT_TIMEOUT_S) if phase == "connect" else left


def tls_context(address: Address) -> ssl.SSLContext | bool:
    """Return whom to trust, and who the client is."""
    tls = address.tls
    if not address.has_tls or (tls.ca is None and tls.certificate is None):
        return True
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


class HttpTransport:
    """A pool of connections, which threads may share."""

    def __init__(self, address: Address) -> None:
        self._url = address.url
        self._client = httpx.Client(
            base_url=address.url, headers=dict(address.headers), verify=tls_context(address), limits=LIMITS
        )

    def open(self, request: Request[Any], recording: Recording, deadline: Deadline) -> HttpExchange:
        """Send a request."""
        body = Body(request, recording)
        with typed_errors(self._url, deadline):
            response = self._client.send(
                self._client.build_request(
                    "POST",
                    STREAM_PATH,
                    content=body.pieces(),
                    headers=body.headers,
                    extensions={"timeout": TimeLeft(deadline)},
                ),
                stream=True,
            )
        return HttpExchange(self._url, response, deadline)

    def ask(self, question: Ask) -> Any:
        """Ask the server about itself."""
        deadline = Deadline(question.timeout_s, self._url)
        with typed_errors(self._url, deadline):
            answer = self._client.get(path_of(question), extensions={"timeout": TimeLeft(deadline)})
        return read_answer(question, self._url, answer.status_code, answer.text)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class HttpExchange:
    """One response, read event by event."""

    def __init__(self, url: str, response: httpx.Response, deadline: Deadline) -> None:
        self._url, self._response, self._deadline = url, response, deadline
        self._events = EventSource(response).iter_sse()
        self._is_aborted = False
        # httpx bounds the silence between two pieces of an answer, and not the whole of it.
        self._watch = threading.Timer(max(0.0, deadline.left), self._break_off)
        self._watch.daemon = True
        self._watch.start()

    def receive(self) -> str | None:
        """Wait for the next event; `None` when there are no more."""
        try:
            with typed_errors(self._url, self._deadline):
                event = self._next()
        except Exception:
            if self._is_aborted:
                raise Cancelled("the call was given up") from None
            raise
        return None if event is None else read_event(self._url, self._response.status_code, event.data)

    def _next(self) -> ServerSentEvent | None:
        if not self._response.is_success:
            raise error_of(
                self._url, self._response.status_code, self._response.read().decode("utf-8", "replace")
            )
        return next(self._events, None)

    def close(self) -> None:
        """Close the connection, unless it is at its end and can be used again."""
        self._watch.cancel()
        self._response.close()

    def abort(self) -> None:
        """End the exchange from another thread."""
        self._is_aborted = True
        self._break_off()

    def _break_off(self) -> None:
        stream = self._response.extensions["network_stream"]
        connection: socket.socket | None = stream.get_extra_info("socket")
        if connection is not None:
            # It wakes the thread that waits for an answer, which closing does not.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
