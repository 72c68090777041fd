"""Performs the steps of calls by awaiting."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import anyio
from anyio.to_thread import run_sync

from triologue.audio import Audio, is_url
from triologue.protocol.deadline import Deadline
from triologue.protocol.steps import Ask, Emit, Load, Open, Receive, Sleep, Step, Steps, Value, keep
from triologue.recording import Recording, as_recording
from triologue.schema import Event
from triologue.transport.base import AsyncExchange, AsyncTransport


class AsyncDriver:
    """Performs calls over a transport, each in the task that makes it."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def run(self, steps: Steps[Value], on_event: Callable[[Event], object] | None = None) -> Value:
        """Perform a call, tell its events, and return its answer."""
        kept: list[Value] = []
        async with aclosing(self.events(keep(steps, kept))) as events:
            async for event in events:
                if on_event is not None:
                    on_event(event)
        return kept[0]

    async def events(self, steps: Steps[Any]) -> AsyncGenerator[Event, None]:
        """Perform a call and yield its events. Closing the iterator ends the call, here and at the server."""
        call = _Call(self._transport)
        try:
            step = next(steps)
            while True:
                try:
                    if isinstance(step, Emit):
                        yield step.event
                        came: Any = None
                    else:
                        came = await call.perform(step)
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(came)
        except StopIteration:
            return
        finally:
            # The task may be cancelled already, and the server is to be told all the same.
            with anyio.CancelScope(shield=True):
                await call.close()
            steps.close()


class _Call:
    """One call's part of a driver: its exchange."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._exchange: AsyncExchange | None = None

    async def perform(self, step: Step) -> Any:
        match step:
            case Load():
                return await _load(step.audio, step.deadline)
            case Open():
                await self.close()
                self._exchange = await self._transport.open(step.request, step.recording, step.deadline)
                return None
            case Receive():
                return self._exchange and await self._exchange.receive()
            case Ask():
                return await self._transport.ask(step)
            case Sleep():
                return await anyio.sleep(step.seconds)
        raise AssertionError(step)

    async def close(self) -> None:
        if self._exchange is not None:
            exchange, self._exchange = self._exchange, None
            await exchange.close()


async def _load(audio: Audio, deadline: Deadline) -> Recording:
    if is_url(audio):
        from triologue.fetching import fetch_async

        return await fetch_async(str(audio), deadline)
    return await run_sync(as_recording, audio)
