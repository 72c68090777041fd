"""Whoever waits for an answer: told, missed when they go, and given up when their time is over."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from triologue import AudioInfo, Cancelled, DeadlineExceeded, Event, InfoEvent
from triologue_server.conductor import caller as module
from triologue_server.conductor.caller import Caller

INFO = InfoEvent(audio=AudioInfo(duration=1.0, sample_rate=16_000, channels=1))


@pytest.fixture(autouse=True)
def short_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BEAT_S", 0.01)


class Line:
    """A line to a caller, who hangs up after so many messages."""

    def __init__(self, patience: int = 1_000_000) -> None:
        self.sent: list[Event | None] = []
        self.patience = patience

    def has_gone(self) -> bool:
        return len(self.sent) >= self.patience

    def caller(
        self, events: Any = "all", *, heartbeat: bool = True, timeout_s: float | None = None
    ) -> Caller:
        return Caller(self.sent.append, self.has_gone, events, heartbeat, timeout_s)


class Work:
    """Work that takes a while, and knows how it ended."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds, self.was_cancelled = seconds, False

    async def __call__(self) -> str:
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return "done"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 30))


def test_work_is_attended_to_its_end_with_a_heartbeat() -> None:
    line = Line()
    assert run(line.caller().attended(Work(0.1)())) == "done"
    assert line.sent
    assert set(line.sent) == {None}


def test_who_wants_no_heartbeat_gets_none_and_is_missed_all_the_same() -> None:
    line = Line()
    assert run(line.caller(heartbeat=False).attended(Work(0.1)())) == "done"
    assert line.sent == []
    with pytest.raises(Cancelled):
        run(Line(patience=0).caller(heartbeat=False).attended(Work()()))


def test_what_fails_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(Line().caller().attended(fails()))


def test_nothing_more_is_done_for_who_has_gone() -> None:
    work = Work()
    with pytest.raises(Cancelled):
        run(Line(patience=3).caller().attended(work()))
    assert work.was_cancelled


def test_nothing_more_is_done_when_the_time_is_over() -> None:
    work = Work()
    with pytest.raises(DeadlineExceeded, match=r"no answer within the 0\.05 s of timeout_s"):
        run(Line().caller(timeout_s=0.05).attended(work()))
    assert work.was_cancelled


def test_a_call_can_be_called_off() -> None:
    work, caller = Work(), Line().caller()

    async def both() -> None:
        asyncio.get_running_loop().call_later(0.05, caller.call_off)
        await caller.attended(work())

    with pytest.raises(Cancelled):
        run(both())
    assert work.was_cancelled


def test_work_ends_with_who_attends_to_it() -> None:
    work = Work()

    async def ended_from_outside() -> None:
        task = asyncio.create_task(Line().caller().attended(work()))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(ended_from_outside())
    assert work.was_cancelled


@pytest.mark.parametrize(("events", "sent"), [("all", [INFO]), ("result", [])])
def test_callers_are_told_what_they_want(events: str, sent: list[Event]) -> None:
    line = Line()
    run(line.caller(events).tell(INFO))
    assert line.sent == sent


def test_nothing_is_told_to_who_has_gone() -> None:
    line = Line(patience=0)
    with pytest.raises(Cancelled):
        run(line.caller().tell(INFO))
    assert line.sent == []
