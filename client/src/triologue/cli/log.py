"""What scripts are told on standard error: a JSON object a line. docs/cli.md lists the fields."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from triologue.cli.reports import Tally, one_line, write_stderr
from triologue.cli.sources import Source
from triologue.protocol.request import AnyAnswer
from triologue.schema import DiarizedResult, Event, ProgressEvent, TranscriptionResult

PROGRESS_S = 1.0
"""Seconds between two lines about the progress of a recording."""


class JsonLog:
    """Writes a line for everything that happens, and for progress one a second."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self.wants_events = not is_quiet
        self._began = time.monotonic()
        self._told: dict[Source, float] = {}
        self._stages: set[tuple[Source, str]] = set()

    def started(self, source: Source) -> None:
        """Write `started`."""
        _write("started", source)

    def happened(self, source: Source, event: Event) -> None:
        """Write `progress`, unless the last one was just before; a stage that begins or ends is told."""
        if not isinstance(event, ProgressEvent):
            return
        now, stage = time.monotonic(), (source, event.stage)
        turns = stage not in self._stages or event.completed >= event.total
        if turns or now - self._told.get(source, 0.0) >= PROGRESS_S:
            self._stages.add(stage)
            self._told[source] = now
            _write("progress", source, stage=event.stage, completed=event.completed, total=event.total)

    def warned(self, source: Source | None, message: str) -> None:
        """Write `warning`."""
        _write("warning", source, message=one_line(message))

    def finished(self, source: Source, result: AnyAnswer, outputs: Sequence[Path]) -> None:
        """Write `finished`."""
        fields: dict[str, object] = {
            "outputs": [str(output) for output in outputs],
            "audio_seconds": result.audio.duration,
            "processing_seconds": result.processing.seconds,
        }
        if isinstance(result, TranscriptionResult):
            fields |= result.transcription_info.model_dump()
        if isinstance(result, DiarizedResult):
            fields |= {"speakers": result.speakers, "known_speakers": result.known_speakers}
        _write("finished", source, **fields)

    def failed(self, source: Source | None, code: str, message: str) -> None:
        """Write `failed`."""
        _write("failed", source, code=code, message=one_line(message))

    def ended(self, source: Source) -> None:
        """Write nothing: `finished` or `failed` said it."""

    def skipped(self, source: Source, outputs: Sequence[Path]) -> None:
        """Write `skipped`."""
        _write("skipped", source, outputs=[str(output) for output in outputs])

    def summed_up(self, tally: Tally) -> None:
        """Write `summary`."""
        _write(
            "summary",
            None,
            recordings=tally.recordings,
            finished=tally.finished,
            skipped=tally.skipped,
            failed=tally.failed,
            not_tried=tally.not_tried,
            seconds=round(time.monotonic() - self._began, 3),
            status=int(tally.status),
        )

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make no room: there is nothing but lines."""
        yield

    def close(self) -> None:
        """Take nothing away: there is nothing but lines."""


def _write(event: str, source: Source | None, **fields: object) -> None:
    write_event(event, None if source is None else source.name, **fields)


def write_event(event: str, recording: str | None, **fields: object) -> None:
    """Write the line of an event, of a recording or of all."""
    # In ASCII, so that no language of the system and no name of a file can keep a line from being written.
    about = {} if recording is None else {"recording": recording}
    write_stderr(json.dumps({"event": event, **about, **fields}, default=str))
