"""What is asked for, of how long recordings, and how often in comparison."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

Thing = TypeVar("Thing")


class Kind(str, Enum):
    """What a request asks for."""

    DIARIZED = "diarized"
    TRANSCRIPTION = "transcription"
    DIARIZATION = "diarization"
    STREAM = "stream"


@dataclass(frozen=True)
class Length:
    """How long recordings of a class are, in seconds."""

    low: float
    """At least."""
    high: float
    """At most."""

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise ValueError(f"no length of a recording: {self.low:g} to {self.high:g} s")

    @property
    def label(self) -> str:
        """What it is called in reports."""
        return f"{self.low:g} s" if self.low == self.high else f"{self.low:g}-{self.high:g} s"

    def draw(self, chance: random.Random) -> float:
        """Return some length between the two."""
        return chance.uniform(self.low, self.high)


def kinds_of(text: str) -> dict[Kind, float]:
    """Read weights such as `diarized:6,stream:2`.

    Raises:
        ValueError: There is no such kind, or a weight is none.
    """
    return _weights(text, Kind)


def lengths_of(text: str) -> dict[Length, float]:
    """Read weights such as `10:5,60-300:2`, of seconds or ranges of them.

    Raises:
        ValueError: A length or a weight is none.
    """
    return _weights(text, _length)


def pick(weights: Mapping[Thing, float], chance: random.Random) -> Thing:
    """Return one of several things, each as often as its weight says."""
    return chance.choices(list(weights), list(weights.values()))[0]


def _length(text: str) -> Length:
    low, _, high = text.partition("-")
    return Length(float(low), float(high or low))


def _weights(text: str, read: Callable[[str], Thing]) -> dict[Thing, float]:
    found: dict[Thing, float] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        found[read(name)] = float(weight or 1)
    if min(found.values()) < 0 or not any(found.values()):
        raise ValueError(f"weights are not below 0, and one of them is above: {text}")
    return found
