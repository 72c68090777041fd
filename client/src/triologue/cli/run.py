"""Works on recordings, several at once, and has each result written where it belongs."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from triologue.cli.crew import Crew, Happened
from triologue.cli.printing import Printer
from triologue.cli.reports import Report, Tally
from triologue.cli.sources import Source
from triologue.cli.statuses import Status, status_of
from triologue.cli.targets import Target
from triologue.protocol.request import AnyAnswer
from triologue.schema import ErrorCode, Event, InfoEvent, SegmentEvent, TriologueError
from triologue.writing import UNWRITABLE, write_whole

# Results that wait for their turn at standard output, for each call at once: no more are begun meanwhile.
_HELD = 2


@dataclass(frozen=True)
class Task:
    """What is to be done."""

    sources: Sequence[Source]
    """The recordings."""
    targets: Sequence[tuple[Target, ...]]
    """Where the results of each go."""
    render: Callable[[AnyAnswer, Source, Target], str]
    """Writes a result as its target wants it."""
    jobs: int = 1
    """Recordings under way at once."""
    resumes: bool = False
    """Recordings whose results are there are left out."""
    is_watched: bool = False
    """Segments are written as they come."""


class Run:
    """Works on recordings. All is told and written by the thread that calls `go`.

    Results go to files as they come, and to standard output in the order of the recordings.
    """

    def __init__(self, task: Task, crew: Crew, report: Report, printer: Printer) -> None:
        self._task, self._crew, self._report, self._printer = task, crew, report, printer
        self._tally = Tally(len(task.sources))
        self._is_ordered = any(target.path is None for each in task.targets for target in each)
        # Of recordings that have ended and wait for their turn; `None` where there is no result.
        self._held: dict[int, AnyAnswer | None] = {}
        self._turn = 0
        self._is_stopped = False
        self._decoded: set[Source] = set()

    def go(self) -> Tally:
        """Work on all recordings, and say what came of them.

        Raises:
            BrokenPipeError: Who reads standard output went away.
        """
        try:
            self._work(deque(index for index in range(len(self._task.sources)) if not self._skips(index)))
        except KeyboardInterrupt:
            self._tally.status = Status.INTERRUPTED
        finally:
            self._held |= self._crew.leave()
            self._report.close()
        # What was done before it was interrupted is not lost.
        for index in sorted(self._held):
            self._settle(index, self._held[index])
        self._report.summed_up(self._tally)
        return self._tally

    def _skips(self, index: int) -> bool:
        outputs = [target.path for target in self._task.targets[index] if target.path is not None]
        if not self._task.resumes or not all(output.exists() for output in outputs):
            return False
        self._tally.skipped += 1
        self._report.skipped(self._task.sources[index], outputs)
        return True

    def _work(self, todo: deque[int]) -> None:
        while True:
            while todo and self._has_room:
                index = todo.popleft()
                self._report.started(self._task.sources[index])
                self._crew.start(index, self._task.sources[index])
            if not self._crew.under_way:
                return
            self._take(self._crew.wait())

    @property
    def _has_room(self) -> bool:
        return (
            not self._is_stopped
            and self._crew.under_way < self._task.jobs
            and len(self._held) < _HELD * self._task.jobs
        )

    def _take(self, happened: Happened) -> None:
        index, what = happened.index, happened.what
        source = self._task.sources[index]
        if isinstance(what, Event):
            self._tell(source, what)
            return
        self._report.ended(source)
        if isinstance(what, Exception):
            self._fail(source, what)
        result = None if isinstance(what, Exception) else what
        if not self._is_ordered:
            self._settle(index, result)
            return
        self._held[index] = result
        while self._turn in self._held:
            self._settle(self._turn, self._held.pop(self._turn))
            self._turn += 1

    def _tell(self, source: Source, event: Event) -> None:
        self._report.happened(source, event)
        if isinstance(event, InfoEvent):
            if source in self._decoded and self._task.is_watched:
                self._report.warned(source, "the call was made again, and segments come anew")
            self._decoded.add(source)
        elif isinstance(event, SegmentEvent) and self._task.is_watched:
            with self._report.aside():
                self._printer.segment(source, event.segment)

    def _fail(self, source: Source, error: Exception) -> None:
        if isinstance(error, TriologueError):
            self._report.failed(source, error.code.value, error.message)
        elif isinstance(error, OSError):
            why = f"the recording cannot be read: {error.strerror or error}"
            self._report.failed(source, ErrorCode.INVALID_AUDIO.value, why)
        else:
            raise error
        status = status_of(error)
        self._tally.fail(status)
        if status is not Status.FAILED:
            self._is_stopped = True  # The others would fare no better.

    def _settle(self, index: int, result: AnyAnswer | None) -> None:
        if result is not None:
            with self._report.aside():
                self._write_all(index, result)

    def _write_all(self, index: int, result: AnyAnswer) -> None:
        source, targets = self._task.sources[index], self._task.targets[index]
        for warning in result.warnings:
            self._report.warned(source, warning)
        # All are written, whatever becomes of one.
        written = [self._write(source, target, result) for target in targets]
        if all(written):
            self._tally.finished += 1
            outputs = [target.path for target in targets if target.path is not None]
            self._report.finished(source, result, outputs)
        else:
            self._tally.fail(Status.FAILED)

    def _write(self, source: Source, target: Target, result: AnyAnswer) -> bool:
        text = self._task.render(result, source, target)
        if target.path is None:
            return self._print(source, text)
        try:
            write_whole(target.path, text)
        except (OSError, UnicodeError) as error:
            self._cannot_write(source, target.path, error)
            self._print(source, text, is_refuge=True)
            return False
        return True

    def _print(self, source: Source, text: str, *, is_refuge: bool = False) -> bool:
        try:
            self._printer.result(source, text, is_refuge=is_refuge)
        except BrokenPipeError:
            raise
        except OSError as error:
            self._cannot_write(source, "standard output", error)
            self._is_stopped = True
            return False
        return True

    def _cannot_write(self, source: Source, target: Path | str, error: Exception) -> None:
        why = error.strerror if isinstance(error, OSError) else str(error)
        self._report.failed(source, UNWRITABLE, f"{target} cannot be written: {why}")
