"""What is told on standard error while recordings are worked on."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from triologue.cli.sources import Source
from triologue.cli.statuses import Status
from triologue.formats import summarize
from triologue.protocol.request import AnyAnswer
from triologue.schema import DiarizedResult, Event

if TYPE_CHECKING:
    from triologue.cli.bars import Bars


@dataclass
class Tally:
    """What came of all recordings."""

    recordings: int
    """How many there are."""
    finished: int = 0
    """Those whose results were written."""
    skipped: int = 0
    """Those whose results were there already."""
    failed: int = 0
    """Those without a result, and those whose result could not be written where it should."""
    status: Status = Status.WELL
    """The exit status."""

    @property
    def not_tried(self) -> int:
        """Those that nothing came of."""
        return self.recordings - self.finished - self.skipped - self.failed

    def fail(self, status: Status) -> None:
        """Count a recording that failed; the gravest status stays."""
        self.failed += 1
        self.status = max(self.status, status)


class Report(Protocol):
    """Tells people or scripts what happens."""

    wants_events: bool
    """Whether it tells the events of calls, which the server then sends."""

    def started(self, source: Source) -> None:
        """Tell that the call of a recording begins."""
        ...

    def happened(self, source: Source, event: Event) -> None:
        """Tell an event of a call."""
        ...

    def warned(self, source: Source | None, message: str) -> None:
        """Tell what people should know."""
        ...

    def finished(self, source: Source, result: AnyAnswer, outputs: Sequence[Path]) -> None:
        """Tell that a result was written, to files or else to standard output."""
        ...

    def failed(self, source: Source | None, code: str, message: str) -> None:
        """Tell an error, of a recording or of all."""
        ...

    def ended(self, source: Source) -> None:
        """Tell that nothing more comes of a recording."""
        ...

    def skipped(self, source: Source, outputs: Sequence[Path]) -> None:
        """Tell that the results of a recording are there already."""
        ...

    def summed_up(self, tally: Tally) -> None:
        """Tell what came of all."""
        ...

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room on the terminal while something else is written."""
        ...

    def close(self) -> None:
        """Take away what is not to stay on the terminal."""
        ...


class Prose:
    """Tells it to people, in lines; progress is told by bars where there are some."""

    def __init__(self, *, several: bool, is_quiet: bool = False, bars: "Bars | None" = None) -> None:
        self._several, self._is_quiet, self._bars = several, is_quiet, bars
        self.wants_events = bars is not None

    def started(self, source: Source) -> None:
        """Show a bar."""
        if self._bars:
            self._bars.add(source)

    def happened(self, source: Source, event: Event) -> None:
        """Move the bar."""
        if self._bars:
            self._bars.move(source, event)

    def warned(self, source: Source | None, message: str) -> None:
        """Write a line, also when quiet."""
        self._write(f"warning: {self._about(source)}{one_line(message)}")

    def finished(self, source: Source, result: AnyAnswer, outputs: Sequence[Path]) -> None:
        """Write who was recognised, and a line about the result."""
        if self._is_quiet:
            return
        if isinstance(result, DiarizedResult):
            for name, similarity in result.known_speakers.items():
                self._write(f"recognised: {self._about(source)}{name} (similarity {similarity:.2f})")
        written = f" · {', '.join(map(str, outputs))}" if outputs else ""
        self._write(f"{self._about(source)}{summarize(result)}{written}")

    def failed(self, source: Source | None, code: str, message: str) -> None:
        """Write a line, also when quiet."""
        self._write(f"error: {code}: {self._about(source)}{one_line(message)}")

    def ended(self, source: Source) -> None:
        """Take the bar away."""
        if self._bars:
            self._bars.remove(source)

    def skipped(self, source: Source, outputs: Sequence[Path]) -> None:
        """Write a line."""
        if not self._is_quiet:
            self._write(f"skipped: {source.name}: there already: {', '.join(map(str, outputs))}")

    def summed_up(self, tally: Tally) -> None:
        """Write a line, where there are several recordings."""
        counts = {
            "finished": tally.finished,
            "skipped": tally.skipped,
            "failed": tally.failed,
            "not tried": tally.not_tried,
        }
        if self._several and not self._is_quiet:
            said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            self._write(f"{tally.recordings} recordings: {said}")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Hide the bars meanwhile."""
        if self._bars is None:
            yield
        else:
            with self._bars.hidden():
                yield

    def close(self) -> None:
        """Take the bars away."""
        if self._bars:
            self._bars.close()

    def _about(self, source: Source | None) -> str:
        return f"{source.name}: " if source is not None and self._several else ""

    def _write(self, line: str) -> None:
        with self.aside():
            write_stderr(line)


def report_for(recordings: int, stages: int, *, as_json: bool, is_quiet: bool) -> Report:
    """Return the report that fits what was asked for and where standard error goes.

    Args:
        recordings: How many there are.
        stages: How many stages each goes through.
        as_json: Whether scripts read it.
        is_quiet: Whether progress is left out.
    """
    if as_json:
        from triologue.cli.log import JsonLog

        return JsonLog(is_quiet=is_quiet)
    several = recordings > 1
    if is_quiet or not shows_bars():
        return Prose(several=several, is_quiet=is_quiet)
    from triologue.cli.bars import Bars

    return Prose(several=several, bars=Bars(recordings, stages))


@contextmanager
def waiting(name: str) -> Iterator[None]:
    """Show on a terminal that something is waited for."""
    if not shows_bars():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(name)):
        yield


def write_stderr(line: str) -> None:
    """Write a line that is there for its reader at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


def shows_bars() -> bool:
    """Say whether standard error is a terminal that bars can be drawn on."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
