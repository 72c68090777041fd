"""Calls in threads of their own: the main thread does all writing, and hears Ctrl-C at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

from triologue.cli.sources import Source
from triologue.protocol.request import AnyAnswer
from triologue.schema import Event

OnEvent = Callable[[Event], object]
Ask = Callable[[Source, OnEvent], AnyAnswer]

# Waiting ends now and then, since there are systems on which Ctrl-C is not heard meanwhile.
_WAIT_S = 0.5
# What does not end in this time when it is told to, such as a name that is looked up, ends with the program.
_LEAVE_S = 0.5


@dataclass(frozen=True)
class Happened:
    """Something came of a recording."""

    index: int
    """Its place among the recordings."""
    what: Event | AnyAnswer | Exception
    """An event, or at last the answer or what went wrong."""


class Crew:
    """Makes calls, and tells what comes of them one after the other.

    Args:
        ask: Makes the call of one recording.
        abort: Ends the calls under way.
    """

    def __init__(self, ask: Ask, abort: Callable[[], None]) -> None:
        self._ask, self._abort = ask, abort
        self._happened: SimpleQueue[Happened] = SimpleQueue()
        self._threads: dict[int, Thread] = {}

    @property
    def under_way(self) -> int:
        """Number of calls that have not ended."""
        return len(self._threads)

    def start(self, index: int, source: Source) -> None:
        """Make the call of a recording."""
        thread = Thread(target=self._call, args=(index, source), daemon=True)
        self._threads[index] = thread
        thread.start()

    def wait(self) -> Happened:
        """Wait for the next thing to happen."""
        while True:
            try:
                happened = self._happened.get(timeout=_WAIT_S)
            except Empty:
                continue
            if isinstance(happened.what, AnyAnswer | Exception):
                self._threads.pop(happened.index).join()
            return happened

    def leave(self) -> dict[int, AnyAnswer]:
        """End the calls under way, here and at the server, and return the answers that nobody waited for."""
        self._abort()
        until = time.monotonic() + _LEAVE_S
        for thread in self._threads.values():
            if thread.is_alive():  # Ctrl-C may come while one is being started.
                thread.join(max(0.0, until - time.monotonic()))
        answers: dict[int, AnyAnswer] = {}
        while not self._happened.empty():
            happened = self._happened.get()
            if isinstance(happened.what, AnyAnswer):
                answers[happened.index] = happened.what
        return answers

    def _call(self, index: int, source: Source) -> None:
        came: AnyAnswer | Exception
        try:
            came = self._ask(source, lambda event: self._happened.put(Happened(index, event)))
        except Exception as error:
            came = error
        self._happened.put(Happened(index, came))
