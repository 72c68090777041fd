"""Performs the steps of calls by blocking."""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from triologue.audio import Audio, is_url
from triologue.protocol.deadline import Deadline
from triologue.protocol.steps import Ask, Emit, Load, Open, Receive, Sleep, Step, Steps, Value, keep
from triologue.recording import Recording, as_recording
from triologue.schema import Cancelled, Event
from triologue.transport.base import Exchange, Transport


class Driver:
    """Performs calls over a transport, each in the thread that makes it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._under_way = UnderWay()

    def run(self, steps: Steps[Value], on_event: Callable[[Event], object] | None = None) -> Value:
        """Perform a call, tell its events, and return its answer."""
        kept: list[Value] = []
        with closing(self.events(keep(steps, kept))) as events:
            for event in events:
                if on_event is not None:
                    on_event(event)
        return kept[0]

    def events(self, steps: Steps[Any]) -> Generator[Event, None, None]:
        """Perform a call and yield its events. Closing the iterator ends the call, here and at the server."""
        call = _Call(self._transport, self._under_way)
        try:
            step = next(steps)
            while True:
                try:
                    if isinstance(step, Emit):
                        yield step.event
                        came: Any = None
                    else:
                        came = call.perform(step)
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(came)
        except StopIteration:
            return
        finally:
            call.close()
            steps.close()

    def abort(self) -> None:
        """End all calls, from whichever thread: they raise `Cancelled`, and so do further ones."""
        self._under_way.abort()


class UnderWay:
    """The exchanges of all calls of a driver, so that they can be ended."""

    def __init__(self) -> None:
        self._exchanges: set[Exchange] = set()
        self._is_aborted = threading.Event()

    def add(self, exchange: Exchange) -> None:
        """Take in an exchange that begins."""
        self._exchanges.add(exchange)

    def remove(self, exchange: Exchange) -> None:
        """Let go of one that has ended."""
        self._exchanges.discard(exchange)

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until calls are to end."""
        self._is_aborted.wait(seconds)

    def abort(self) -> None:
        """End all calls."""
        self._is_aborted.set()
        for exchange in list(self._exchanges):
            exchange.abort()

    def check(self) -> None:
        """Raise when calls are to end.

        Raises:
            Cancelled: They are.
        """
        if self._is_aborted.is_set():
            raise Cancelled("the call was given up")


class _Call:
    """One call: it has one exchange at a time."""

    def __init__(self, transport: Transport, under_way: UnderWay) -> None:
        self._transport, self._under_way = transport, under_way
        self._exchange: Exchange | None = None

    def perform(self, step: Step) -> Any:
        self._under_way.check()
        try:
            return self._perform(step)
        finally:
            # Whatever an exchange raises when it was broken off, this is why.
            self._under_way.check()

    def _perform(self, step: Step) -> Any:
        match step:
            case Load():
                return _load(step.audio, step.deadline)
            case Open():
                self.close()
                self._exchange = self._transport.exchange(step.request, step.recording, step.deadline)
                self._under_way.add(self._exchange)
                return self._exchange.send()
            case Receive():
                return self._exchange and self._exchange.receive()
            case Ask():
                return self._transport.ask(step)
            case Sleep():
                return self._under_way.sleep(step.seconds)
        raise AssertionError(step)

    def close(self) -> None:
        if self._exchange is not None:
            self._under_way.remove(self._exchange)
            self._exchange.close()
            self._exchange = None


def _load(audio: Audio, deadline: Deadline) -> Recording:
    if is_url(audio):
        from triologue.fetching import fetch

        return fetch(str(audio), deadline)
    return as_recording(audio)
