"""What a measurement found: its result file, the table that is printed, and the tables of a page.

    python -m benchmarks.report README.md docs/benchmarks.md

writes the tables between the markers of pages anew, out of the result files: those marked `results` with all
lines, those marked `goals` with what should have been found alone.
"""

import re
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, computed_field
from rich.console import Console
from rich.table import Column, Table

from benchmarks.machine import Machine, commit, is_dirty, now, versions

RESULTS = Path(__file__).parent / "results"

Value = str | int | float | bool | None
Row = dict[str, Value]
"""One line of a table, by its column."""

_WIDTH = 140  # characters, of output that goes to a file

_MARKED = re.compile(r"(<!-- (results|goals): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Goal(BaseModel):
    """A number that a measurement should reach."""

    name: str
    """What was measured."""
    value: float
    """What was found."""
    bound: Literal["at least", "at most"]
    """On which side of the goal it should be."""
    goal: float
    """What it should be."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def holds(self) -> bool:
        """Whether it was reached."""
        return self.value >= self.goal if self.bound == "at least" else self.value <= self.goal


class Report(BaseModel):
    """Everything about one measurement."""

    commit: str = Field(default_factory=commit)
    """The commit of the source tree; empty outside of git."""
    dirty: bool = Field(default_factory=is_dirty)
    """Whether the source tree differed from the commit."""
    machine: Machine = Field(default_factory=Machine.this)
    """What it ran on."""
    versions: dict[str, str] = Field(default_factory=versions)
    """Of the libraries and programs that were measured."""
    date: datetime = Field(default_factory=now)
    """When it began."""
    options: dict[str, Value]
    """How it was measured."""
    rows: list[Row]
    """What was found."""
    goals: list[Goal] = []
    """What should have been found."""

    def save(self, target: str, folder: Path = RESULTS) -> Path:
        """Write the result file of a target."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{target}.json"
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, target: str, folder: Path = RESULTS) -> "Report":
        """Read the result file of a target.

        Raises:
            FileNotFoundError: It has not been measured.
        """
        return cls.model_validate_json((folder / f"{target}.json").read_text(encoding="utf-8"))

    @property
    def head(self) -> list[str]:
        """The columns of the table, in the order in which rows bring them up."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @property
    def cells(self) -> list[list[str]]:
        """The rows of the table as text."""
        return [[_text(row.get(name)) for name in self.head] for row in self.rows]

    @property
    def goal_cells(self) -> list[list[str]]:
        """The goals as text: what, the value, the goal, whether it holds."""
        return [
            [goal.name, _text(goal.value), f"{goal.bound} {goal.goal:.2f}", "yes" if goal.holds else "no"]
            for goal in self.goals
        ]

    @property
    def origin(self) -> str:
        """Where the numbers are from, in one line."""
        machine = self.machine
        parts = [f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB", *machine.gpus]
        if self.commit:
            parts.append(f"commit {self.commit[:10]}{' and changes' if self.dirty else ''}")
        return "; ".join([*parts, f"{self.date:%Y-%m-%d}"])


_GOAL_HEAD = ["goal", "value", "should be", "holds"]


def show(report: Report, title: str) -> None:
    """Print a report as tables."""
    # What is no terminal has no width, and 80 columns would break every name.
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    console.print(_table(title, [name.replace("_", " ") for name in report.head], report.cells))
    if report.goals:
        console.print(_table("goals", _GOAL_HEAD, report.goal_cells))
    for goal in report.goals:
        if not goal.holds:
            console.print(
                f"does not hold: {goal.name}: {goal.value:.2f}, should be {goal.bound} {goal.goal:.2f}"
            )
    console.print(report.origin)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    columns = (Column(name, overflow="fold") for name in head)
    table = Table(*columns, title=title, title_justify="left")
    # Rows of one part share their first cell.
    parts = [list(part) for _, part in groupby(rows, key=itemgetter(0))]
    for part in parts:
        for row in part:
            table.add_row(*row)
        if len(parts) < len(rows):
            table.add_section()
    return table


def markdown(report: Report, *, goals_alone: bool = False) -> str:
    """Return a report as Markdown tables."""
    options = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in report.options.items())
    parts = []
    if not goals_alone:
        parts.append(_markdown_table([name.replace("_", " ") for name in report.head], report.cells))
    if report.goals:
        parts.append(_markdown_table(_GOAL_HEAD, report.goal_cells))
    return "\n".join([*parts, f"{report.origin}; {options}.\n"])


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def renew(page: str, folder: Path = RESULTS) -> str:
    """Return a page with the tables between its markers made anew; what was not measured stays as it is."""

    def renewed(marked: re.Match[str]) -> str:
        begin, kind, target, end = marked.groups()
        try:
            tables = markdown(Report.load(target, folder), goals_alone=kind == "goals")
            return f"{begin}{tables}{end}"
        except FileNotFoundError:
            return marked[0]

    return _MARKED.sub(renewed, page)


def _text(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        page = Path(argument)
        page.write_text(renew(page.read_text(encoding="utf-8")), encoding="utf-8")
