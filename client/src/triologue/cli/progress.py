"""What is told on standard error while an archive is worked on: of each failure, and of all together."""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from triologue.batch.row import Row
from triologue.cli.log import write_event
from triologue.cli.reports import Tally, one_line, shows_bars, write_stderr
from triologue.cli.statuses import Status
from triologue.schema.errors import OF_THE_SERVER

# Seconds between two lines about how far all is, for people who read a log, and for scripts.
_LOG_S, _EVENT_S = 60.0, 1.0
_STOPPING = {error.code.value for error in OF_THE_SERVER}


@dataclass
class Totals(Tally):
    """What came of the recordings so far."""

    audio_seconds: float = 0.0
    """Audio of those that were finished."""
    began: float = field(default_factory=time.monotonic)
    """When the work began, by the monotonic clock."""

    def add(self, row: Row) -> None:
        """Count a recording."""
        if row.status == "finished":
            self.finished += 1
            self.audio_seconds += row.audio_seconds
        elif row.status == "skipped":
            self.skipped += 1
        elif row.status == "failed":
            self.fail(Status.SERVER if row.code in _STOPPING else Status.FAILED)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.began

    @property
    def rtfx(self) -> float:
        """Seconds of audio for each second that has passed."""
        return self.audio_seconds / max(self.seconds, 0.001)

    @property
    def left_s(self) -> float:
        """Seconds that the rest will take at the pace of those that were worked on; 0 where none was."""
        worked_on = self.finished + self.failed
        return self.not_tried * self.seconds / worked_on if worked_on else 0.0

    def __str__(self) -> str:
        failed = f"{self.failed} failed · " if self.failed else ""
        return (
            f"{self.recordings - self.not_tried} of {self.recordings} recordings · {failed}"
            f"{self.audio_seconds / 3600:.1f} h of audio · RTFx {self.rtfx:.1f}"
        )


class Progress(Protocol):
    """Tells people or scripts how an archive fares."""

    def told(self, row: Row, totals: Totals) -> None:
        """Tell what came of a recording, and how far all is."""
        ...

    def broke_off(self, code: str, message: str) -> None:
        """Tell what ended the work before its end."""
        ...

    def summed_up(self, totals: Totals) -> None:
        """Tell what came of all."""
        ...


def progress_for(*, as_json: bool, is_quiet: bool) -> Progress:
    """Return what fits what was asked for and where standard error goes."""
    if as_json:
        return _Events(is_quiet=is_quiet)
    if is_quiet or not shows_bars():
        return _Lines(is_quiet=is_quiet)
    return _Bar()


class _Events:
    """Tells scripts: a JSON object a line. docs/batch.md lists the fields."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet, self._last = is_quiet, 0.0

    def told(self, row: Row, totals: Totals) -> None:
        about = {"audio": row.audio, "metadata": row.metadata}
        if row.status == "failed":
            write_event("failed", row.id or None, code=row.code, message=one_line(row.message), **about)
        elif row.status == "finished":
            times = {"audio_seconds": row.audio_seconds, "seconds": row.seconds}
            write_event("finished", row.id, **times, **about)
        elif row.status == "skipped":
            write_event("skipped", row.id, **about)
        if not self._is_quiet and time.monotonic() - self._last >= _EVENT_S:
            self._last = time.monotonic()
            write_event("progress", None, **_numbers(totals), left_seconds=round(totals.left_s, 1))

    def broke_off(self, code: str, message: str) -> None:
        write_event("failed", None, code=code, message=one_line(message))

    def summed_up(self, totals: Totals) -> None:
        write_event("summary", None, **_numbers(totals), status=int(totals.status))


class _Lines:
    """Tells people who read a log: a line for each failure, and one a minute."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet, self._last = is_quiet, time.monotonic()

    def told(self, row: Row, totals: Totals) -> None:
        if row.status == "failed":
            about = f"{row.id}: " if row.id else ""
            self._write(f"error: {row.code}: {about}{one_line(row.message)}")
        if not self._is_quiet and time.monotonic() - self._last >= _LOG_S:
            self._last = time.monotonic()
            self._write(_with_time_left(totals))

    def broke_off(self, code: str, message: str) -> None:
        self._write(f"error: {code}: {one_line(message)}")

    def summed_up(self, totals: Totals) -> None:
        if self._is_quiet:
            return
        counts = {
            "finished": totals.finished,
            "skipped": totals.skipped,
            "failed": totals.failed,
            "not tried": totals.not_tried,
        }
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "none"
        hours = f"{totals.audio_seconds / 3600:.1f} h of audio in {_clock(totals.seconds)}"
        self._write(f"{totals.recordings} recordings: {said} · {hours} · RTFx {totals.rtfx:.1f}")

    def _write(self, line: str) -> None:
        write_stderr(line)


class _Bar(_Lines):
    """Tells people at a terminal: a line for each failure above a bar for all."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def told(self, row: Row, totals: Totals) -> None:
        self._last = time.monotonic()  # The bar says how far all is.
        super().told(row, totals)
        self._bar.update(
            self._task,
            total=totals.recordings,
            completed=totals.recordings - totals.not_tried,
            description=_with_time_left(totals),
        )

    def summed_up(self, totals: Totals) -> None:
        self._bar.stop()
        super().summed_up(totals)

    def _write(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _numbers(totals: Totals) -> dict[str, float]:
    return {
        "recordings": totals.recordings,
        "finished": totals.finished,
        "skipped": totals.skipped,
        "failed": totals.failed,
        "not_tried": totals.not_tried,
        "audio_seconds": round(totals.audio_seconds, 3),
        "rtfx": round(totals.rtfx, 1),
        "seconds": round(totals.seconds, 3),
    }


def _with_time_left(totals: Totals) -> str:
    left = f" · {_clock(totals.left_s)} left" if totals.not_tried and totals.left_s else ""
    return f"{totals}{left}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
