"""Bars of progress on a terminal: one for each recording under way, and one for all."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from triologue.cli.sources import Source
from triologue.schema import Event, InfoEvent, ProgressEvent

NAME_WIDTH = 32


class Bars:
    """Shows how far each recording is, in seconds of its audio.

    Args:
        recordings: How many there are.
        stages: How many stages each goes through; a bar is the mean of them.
    """

    def __init__(self, recordings: int, stages: int) -> None:
        self._stages = stages
        self._tasks: dict[Source, TaskID] = {}
        self._done: dict[Source, dict[str, float]] = {}
        name = Column(no_wrap=True, overflow="ellipsis", max_width=NAME_WIDTH)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=name),
            BarColumn(),
            TextColumn("{task.fields[far]}", markup=False),
            console=Console(stderr=True),
            transient=True,
            # Standard output is not to go where the bars are.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._ended, self._recordings = 0, recordings
        self._total = (
            self._progress.add_task("all", total=recordings, far=self._count()) if recordings > 1 else None
        )

    def add(self, source: Source) -> None:
        """Show a bar for a recording."""
        self._progress.start()
        self._tasks[source] = self._progress.add_task(source.name, total=None, far="sending")
        self._done[source] = {}

    def move(self, source: Source, event: Event) -> None:
        """Move the bar of a recording."""
        done, task = self._done[source], self._tasks[source]
        if isinstance(event, InfoEvent):
            # A call that is made again begins anew.
            done.clear()
            self._progress.update(task, total=event.audio.duration, completed=0.0, far="decoded")
        elif isinstance(event, ProgressEvent):
            done[event.stage] = event.completed
            far = f"{event.stage} {event.completed:.0f} of {event.total:.0f} s"
            self._progress.update(task, completed=sum(done.values()) / self._stages, far=far)

    def remove(self, source: Source) -> None:
        """Take the bar of a recording away, and count it."""
        if (task := self._tasks.pop(source, None)) is not None:
            self._progress.remove_task(task)
        self._ended += 1
        if self._total is not None:
            self._progress.update(self._total, completed=self._ended, far=self._count())

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take all bars away, and show them again afterwards."""
        if not self._progress.live.is_started:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def close(self) -> None:
        """Take all bars away."""
        self._progress.stop()

    def _count(self) -> str:
        return f"{self._ended} of {self._recordings} recordings"
