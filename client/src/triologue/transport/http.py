"""HTTP for threads, through httpx."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent

from triologue.protocol.deadline import Deadline
from triologue.protocol.request import Request
from triologue.protocol.steps import Ask
from triologue.recording import Recording
from triologue.transport.address import Address
from triologue.transport.http_errors import typed_errors
from triologue.transport.http_line import Line, tls_context
from triologue.transport.http_messages import STREAM_PATH, Body, error_of, path_of, read_answer, read_event

MAX_IDLE_LINES = 20


class HttpTransport:
    """Connections, each of one call at a time; threads may share them."""

    def __init__(self, address: Address) -> None:
        self._address, self._tls = address, tls_context(address)
        self._idle: list[Line] = []
        self._is_closed = False

    def exchange(self, request: Request[Any], recording: Recording, deadline: Deadline) -> HttpExchange:
        """Return an exchange, of which nothing is sent yet."""
        return HttpExchange(self, self._take(), Body(request, recording, deadline), deadline)

    def ask(self, question: Ask) -> Any:
        """Ask the server about itself."""
        url, deadline, line = self._address.url, Deadline(question.timeout_s, self._address.url), self._take()
        try:
            with typed_errors(url, deadline):
                answer = line.client.get(path_of(question), extensions=line.extensions(deadline))
        finally:
            self.give_back(line)
        return read_answer(question, url, answer.status_code, answer.text)

    def _take(self) -> Line:
        try:
            return self._idle.pop()
        except IndexError:
            return Line(self._address, self._tls)

    def give_back(self, line: Line) -> None:
        """Take back a connection that is in use no longer."""
        if line.is_broken or self._is_closed or len(self._idle) >= MAX_IDLE_LINES:
            line.client.close()
        else:
            self._idle.append(line)

    @property
    def url(self) -> str:
        """The server, for messages."""
        return self._address.url

    def close(self) -> None:
        """Close the connections: those that are not in use now, the others when they are given back."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().client.close()


class HttpExchange:
    """One response, read event by event."""

    def __init__(self, transport: HttpTransport, line: Line, body: Body, deadline: Deadline) -> None:
        self._transport, self._line, self._body, self._deadline = transport, line, body, deadline
        self._response: httpx.Response | None = None
        self._events: Iterator[ServerSentEvent] = iter(())
        self._closing = threading.Lock()
        self._is_closed = False
        # httpx bounds the silence between two pieces of an answer, and not the whole of it.
        self._watch = threading.Timer(max(0.0, deadline.left), self.abort)
        self._watch.daemon = True
        self._watch.start()

    def send(self) -> None:
        """Send the request, and wait for the head of the answer."""
        with typed_errors(self._transport.url, self._deadline):
            self._response = self._line.client.send(
                self._line.client.build_request(
                    "POST",
                    STREAM_PATH,
                    content=self._body.pieces(),
                    headers=self._body.headers,
                    extensions=self._line.extensions(self._deadline),
                ),
                stream=True,
            )
        self._events = EventSource(self._response).iter_sse()

    def receive(self) -> str | None:
        """Wait for the next event; `None` when there are no more."""
        response, url = self._response, self._transport.url
        if response is None:
            return None
        with typed_errors(url, self._deadline):
            if not response.is_success:
                raise error_of(url, response.status_code, response.read().decode("utf-8", "replace"))
            for message in self._events:
                if (event := read_event(url, response.status_code, message.data)) is not None:
                    return event
        return None

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        self._watch.cancel()
        with self._closing:
            self._is_closed = True
        if self._response is not None:
            self._response.close()
        self._transport.give_back(self._line)

    def abort(self) -> None:
        """End the exchange from another thread."""
        with self._closing:
            # By now the connection may be in use by another call.
            if not self._is_closed:
                self._line.break_off()
