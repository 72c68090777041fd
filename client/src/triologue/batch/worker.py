"""One recording of an archive, from its line to its results: the same for whatever engine it runs on."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from triologue.batch.errors import INVALID_LINE
from triologue.batch.files import audio_at, shown
from triologue.batch.manifest import Entry
from triologue.batch.outputs import Outputs
from triologue.batch.place import Place
from triologue.batch.row import Row
from triologue.client import Client
from triologue.protocol.request import PIPELINES, AnyAnswer, Pipeline
from triologue.schema import (
    Cancelled,
    ErrorCode,
    InvalidAudio,
    InvalidOption,
    TriologueError,
    parse_parameters,
)
from triologue.schema.base import WireModel
from triologue.schema.errors import OF_THE_SERVER
from triologue.writing import UNWRITABLE

_CALLS: Mapping[Pipeline, Callable[..., AnyAnswer]] = {
    "diarized_asr": Client.transcribe_diarized,
    "transcription": Client.transcribe,
    "diarization": Client.diarize,
}


@dataclass(frozen=True)
class Plan:
    """What is wanted of all recordings."""

    place: str
    """Where results go: a path or a URL that fsspec writes to."""
    pipeline: Pipeline = "diarized_asr"
    """What is asked for."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Options of the pipeline, which those of a line win over."""
    formats: Sequence[str] = ()
    """How results are written, by name, besides JSON."""
    again: bool = False
    """Recordings whose results are there are worked on all the same."""


class Worker:
    """Works on recordings, from any number of threads, until the server turns out to be of no use.

    Args:
        plan: What is wanted.
        connect: Returns the client.

    Raises:
        ImportError: An extra is not installed.
        OSError: The place cannot be reached.
    """

    def __init__(self, plan: Plan, connect: Callable[[], Client]) -> None:
        self._plan = plan
        self._outputs = Outputs(Place(plan.place), plan.formats, plan.pipeline)
        self._client = connect()
        self._stopped = threading.Event()

    @property
    def is_stopped(self) -> bool:
        """Whether nothing further is begun, since it would fare no better."""
        return self._stopped.is_set()

    def close(self) -> None:
        """End the calls under way, whose recordings then were not tried."""
        self._stopped.set()
        self._client.close()

    def __call__(self, entry: Entry) -> Row:
        """Work on a recording, unless its results are there, and say what came of it. Raises nothing."""
        if self.is_stopped:
            return Row.of(entry, "not_tried")
        began = time.monotonic()
        try:
            return self._row(entry, began)
        except Cancelled:
            return Row.of(entry, "not_tried")
        except Exception as error:
            if isinstance(error, OF_THE_SERVER):
                self._stopped.set()
            return self._failed(entry, error, began)

    def _row(self, entry: Entry, began: float) -> Row:
        options = self._options(entry)
        with self._writing(entry):
            if not self._plan.again and self._outputs.has(entry.id):
                return Row.of(entry, "skipped")
        result = self._answer(entry, options)
        with self._writing(entry):
            self._outputs.write(entry.id, result, again=self._plan.again)
        return Row.of(entry, "finished", seconds=_since(began), audio_seconds=result.audio.duration)

    def _options(self, entry: Entry) -> WireModel:
        if entry.wrong:
            raise _Failure(INVALID_LINE, f"line {entry.line}: {entry.wrong}")
        try:
            return parse_parameters(PIPELINES[self._plan.pipeline][0], {**self._plan.fields, **entry.options})
        except InvalidOption as error:
            raise InvalidOption(f"line {entry.line}: {error.message}") from None

    def _answer(self, entry: Entry, options: WireModel) -> AnyAnswer:
        try:
            return _CALLS[self._plan.pipeline](self._client, audio_at(entry.audio), options)
        except (OSError, ImportError) as error:
            raise InvalidAudio(f"{shown(entry.audio)} cannot be read: {_why(error)}") from error

    @contextmanager
    def _writing(self, entry: Entry) -> Iterator[None]:
        try:
            yield
        except (OSError, UnicodeError) as error:
            what = f"the results of {entry.id} in {shown(self._plan.place)}"
            raise _Failure(UNWRITABLE, f"{what} cannot be written: {_why(error)}") from error

    def _failed(self, entry: Entry, error: Exception, began: float) -> Row:
        code, message = _told(error)
        if entry.id:
            with suppress(OSError, UnicodeError):  # The row tells it all the same.
                self._outputs.write_error(entry.id, code, message)
        return Row.of(entry, "failed", code=code, message=message, seconds=_since(began))


class _Failure(Exception):
    """What is no error of the service's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def _told(error: Exception) -> tuple[str, str]:
    """Return the code and the message of an error."""
    if isinstance(error, TriologueError):
        return error.code.value, error.message
    if isinstance(error, _Failure):
        return error.code, error.message
    # Its text may quote what was said.
    return ErrorCode.INTERNAL.value, f"a defect: {type(error).__name__}"


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return os.strerror(errno.ENOENT)  # Not every file system says more than its name.
    return getattr(error, "strerror", None) or str(error)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
