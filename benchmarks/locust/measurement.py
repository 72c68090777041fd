"""What Locust has found of one load, in a form that can be written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel

from benchmarks.locust.mix import Kind
from benchmarks.locust.options import Options
from benchmarks.locust.steps import Step
from benchmarks.locust.tally import Tally
from benchmarks.locust.triton import ModelUse


class Line(BaseModel):
    """A line of Locust's table, or several together."""

    type: str
    """`http`, `grpc`, or what was measured."""
    name: str
    """What was asked for."""
    count: int
    """Values, without failures."""
    total: float
    """Their sum."""
    lowest: float | None
    """Of the values."""
    highest: float | None
    """Of the values."""
    values: dict[int, int]
    """How often each value was found; values are rounded to two digits, as Locust does."""

    @property
    def kind(self) -> Kind | None:
        """What was asked for; `None` in the line of something else."""
        word = self.name.partition(" ")[0]
        return Kind(word) if word in {kind.value for kind in Kind} else None

    @property
    def label(self) -> str:
        """The class of length."""
        return self.name.partition(" ")[2]

    @property
    def mean(self) -> float | None:
        """Average of the values."""
        return self.total / self.count if self.count else None

    def percentile(self, share: float) -> float | None:
        """Return the value that `share` of the values do not exceed."""
        below = 0
        for value, number in sorted(self.values.items()):
            below += number
            if below >= share * self.count:
                # Rounded values may lie outside of all that there are.
                return min(max(float(value), self.lowest or 0.0), self.highest or float(value))
        return None


def join(lines: Iterable[Line], line_type: str, name: str) -> Line:
    """Return several lines as one."""
    chosen = list(lines)
    values: dict[int, int] = {}
    for line in chosen:
        for value, number in line.values.items():
            values[value] = values.get(value, 0) + number
    return Line(
        type=line_type,
        name=name,
        count=sum(line.count for line in chosen),
        total=sum(line.total for line in chosen),
        lowest=min((line.lowest for line in chosen if line.lowest is not None), default=None),
        highest=max((line.highest for line in chosen if line.highest is not None), default=None),
        values=values,
    )


class Window(BaseModel):
    """What was answered in some seconds of a load."""

    seconds: float
    """How many."""
    audio_seconds: float
    """Of the recordings that were answered."""


class Measurement(BaseModel):
    """Everything about one load."""

    options: Options
    """How requests were sent."""
    protocols: list[str]
    """By which they were."""
    users: int
    """How many sent them, at most."""
    workers: int
    """Processes that they were in."""
    tally: Tally
    """What became of the requests."""
    lines: list[Line]
    """Of Locust's table."""
    windows: list[Window]
    """From the first request to the moment that no more were sent."""
    models: dict[str, ModelUse]
    """How the models behind the service were used; empty where the server does not say."""
    steps: list[Step]
    """Of a ramp."""

    def of(self, types: Iterable[str], kinds: Iterable[Kind] = Kind) -> list[Line]:
        """Return the lines of some types and of what was asked for, in which there is a value."""
        types, kinds = set(types), set(kinds)
        return [line for line in self.lines if line.type in types and line.count and line.kind in kinds]

    def together(self, line_type: str) -> Line:
        """Return all lines of a type as one."""
        return join(self.of([line_type]), line_type, "all")

    def by_length(self, types: Iterable[str], kinds: Iterable[Kind] = Kind) -> Mapping[str, Line]:
        """Return the lines of some types and of what was asked for by the class of length."""
        lines = self.of(types, kinds)
        return {
            label: join((line for line in lines if line.label == label), "", label)
            for label in sorted({line.label for line in lines}, key=_natural)
        }

    def write(self, path: Path) -> None:
        """Write it to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Measurement:
        """Read it from a file."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


def _natural(label: str) -> tuple[float, str]:
    """Order lengths by their number; what has none comes last."""
    number = label.split(" ")[0].partition("-")[0]
    return (float(number) if number.replace(".", "", 1).isdigit() else float("inf"), label)
