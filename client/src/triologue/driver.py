"""Performs the steps of calls by blocking."""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from triologue.audio import Audio, is_url
from triologue.protocol.deadline import Deadline
from triologue.protocol.steps import Ask, Emit, Load, Open, Receive, Sleep, Step, Steps, Value, keep
from triologue.recording import Recording, as_recording
from triologue.schema import Cancelled, Event, InternalError
from triologue.transport.base import Exchange, Transport


class Driver:
    """Performs calls over a transport, each in the thread that makes it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._exchanges: set[Exchange] = set()
        self._is_aborted = threading.Event()

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
        call = _Call(self)
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
        self._is_aborted.set()
        for exchange in list(self._exchanges):
            exchange.abort()

    def _check(self) -> None:
        if self._is_aborted.is_set():
            raise Cancelled("the call was given up")


class _Call:
    """One call's part of a driver: its exchange."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._exchange: Exchange | None = None

    def perform(self, step: Step) -> Any:
        driver = self._driver
        driver._check()
        match step:
            case Load():
                return _load(step.audio, step.deadline)
            case Open():
                self.close()
                self._exchange = driver._transport.open(step.request, step.recording, step.deadline)
                driver._exchanges.add(self._exchange)
                driver._check()
                return None
            case Receive():
                if self._exchange is None:
                    raise InternalError("nothing was sent that could be answered")
                return self._exchange.receive()
            case Ask():
                return driver._transport.ask(step)
            case Sleep():
                driver._is_aborted.wait(step.seconds)
                return driver._check()
        raise AssertionError(step)

    def close(self) -> None:
        if self._exchange is not None:
            self._driver._exchanges.discard(self._exchange)
            self._exchange.close()
            self._exchange = None


def _load(audio: Audio, deadline: Deadline) -> Recording:
    if is_url(audio):
        from triologue.fetching import fetch

        return fetch(str(audio), deadline)
    return as_recording(audio)
