"""What a call may ask of the outside world.

A call is a generator that holds no I/O: it yields steps, and is sent what came of each. A driver performs
them, `triologue.driver` by blocking and `triologue.async_driver` by awaiting, so both clients do the same.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from triologue.audio import Audio
from triologue.protocol.deadline import Deadline
from triologue.protocol.request import Request
from triologue.recording import Recording
from triologue.schema import Event

Value = TypeVar("Value")


@dataclass(frozen=True)
class Load:
    """Find the recording, and fetch it when it is a URL; a `Recording` is sent back."""

    audio: Audio
    deadline: Deadline


@dataclass(frozen=True)
class Open:
    """Begin an exchange: send a request. It takes the place of an exchange before it."""

    request: Request[Any]
    recording: Recording
    deadline: Deadline


@dataclass(frozen=True)
class Receive:
    """Wait for an event of the exchange; its text is sent back, or `None` when the exchange has ended."""


@dataclass(frozen=True)
class Ask:
    """Ask the server about itself; the answer is sent back."""

    question: Literal["is_live", "is_ready", "is_model_ready", "version", "settings"]
    """`version` is answered by text, `settings` by texts by name, the others by yes or no."""
    timeout_s: float
    model: str = ""
    """Of which model, where the question is about one."""


@dataclass(frozen=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True)
class Emit:
    """Give an event to the caller."""

    event: Event


Step = Load | Open | Receive | Ask | Sleep | Emit
Steps = Generator[Step, Any, Value]
"""A call that returns a `Value`."""


def keep(steps: Steps[Value], kept: list[Value]) -> Steps[None]:
    """Pass a call on, and put what it returns into `kept`: an asynchronous generator cannot return it."""
    kept.append((yield from steps))
