"""HTTP for coroutines, through httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
from anyio.to_thread import run_sync
from httpx_sse import EventSource, ServerSentEvent

from triologue.protocol.deadline import Deadline
from triologue.protocol.request import Request
from triologue.protocol.steps import Ask
from triologue.recording import Recording
from triologue.transport.address import Address
from triologue.transport.http_errors import typed_errors
from triologue.transport.http_line import TimeLeft, tls_context
from triologue.transport.http_messages import STREAM_PATH, Body, error_of, path_of, read_answer, read_event

# Calls are bounded by who makes them; connections that are not in use, here.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0)


class AsyncHttpTransport:
    """A pool of connections, of one event loop."""

    def __init__(self, address: Address) -> None:
        self._url = address.url
        self._client = httpx.AsyncClient(
            base_url=address.url, headers=dict(address.headers), verify=tls_context(address), limits=LIMITS
        )

    async def open(
        self, request: Request[Any], recording: Recording, deadline: Deadline
    ) -> AsyncHttpExchange:
        """Send a request."""
        body = Body(request, recording, deadline)
        with typed_errors(self._url, deadline), anyio.fail_after(deadline.left):
            response = await self._client.send(
                self._client.build_request(
                    "POST",
                    STREAM_PATH,
                    content=_pieces(body),
                    headers=body.headers,
                    extensions={"timeout": TimeLeft(deadline)},
                ),
                stream=True,
            )
        return AsyncHttpExchange(self._url, response, deadline)

    async def ask(self, question: Ask) -> Any:
        """Ask the server about itself."""
        deadline = Deadline(question.timeout_s, self._url)
        with typed_errors(self._url, deadline), anyio.fail_after(deadline.left):
            answer = await self._client.get(path_of(question), extensions={"timeout": TimeLeft(deadline)})
        return read_answer(question, self._url, answer.status_code, answer.text)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _pieces(body: Body) -> AsyncIterator[bytes]:
    """Go through a body. Files are read in a thread, so that nothing else waits for the disk."""
    pieces = body.pieces()
    while (piece := await run_sync(next, pieces, None)) is not None:
        yield piece


class AsyncHttpExchange:
    """One response, read event by event."""

    def __init__(self, url: str, response: httpx.Response, deadline: Deadline) -> None:
        self._url, self._response, self._deadline = url, response, deadline
        self._events = EventSource(response).aiter_sse()

    async def receive(self) -> str | None:
        """Wait for the next event; `None` when there are no more."""
        with typed_errors(self._url, self._deadline), anyio.fail_after(self._deadline.left):
            while (message := await self._next()) is not None:
                if (event := read_event(self._url, self._response.status_code, message.data)) is not None:
                    return event
        return None

    async def _next(self) -> ServerSentEvent | None:
        if not self._response.is_success:
            body = await self._response.aread()
            raise error_of(self._url, self._response.status_code, body.decode("utf-8", "replace"))
        return await anext(self._events, None)

    async def close(self) -> None:
        """Close the connection, unless it is at its end and can be used again."""
        await self._response.aclose()
