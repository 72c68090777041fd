"""What is told of a request to the conductor: a line of the log, its metrics, and its trace."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import triton_python_backend_utils as pb_utils
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, format_trace_id

from triologue.schema import DiarizedResult, ErrorCode, TriologueError
from triologue.tracing import ID_HEADER
from triologue_server import tracing
from triologue_server.conductor.run import Answer, Pipeline
from triologue_server.triton.conductor_metrics import ConductorMetrics
from triologue_server.triton.output import RECORDING
from triologue_server.triton.parameters import parameters_of

_log = logging.getLogger(__name__)

OK = "OK"
"""The code of a request that has its answer."""

_LONGEST_ID = 128


class Entry:
    """One request, from its arrival to its end.

    Its id is the one that it has in Triton, or that of the header `x-request-id`, or else a new one.

    Raises:
        InvalidOption: Its parameters are not text.
    """

    def __init__(self, request: pb_utils.InferenceRequest, metrics: ConductorMetrics) -> None:
        self.parameters = parameters_of(request)
        """What is asked for."""
        # HTTP headers may be written anyhow.
        names = [name for name in self.parameters if name.lower() in tracing.FORWARDED]
        headers = {name.lower(): self.parameters.pop(name) for name in names}
        called = request.request_id() or headers.get(ID_HEADER) or uuid4().hex
        self.request_id = str(called)[:_LONGEST_ID]
        """What the request is called."""
        self._parent = tracing.parent_of(headers)
        self._metrics = metrics
        self._pipeline: Pipeline | None = None
        self._began = time.monotonic()
        self._waited_s: float | None = None
        self._span: Span = INVALID_SPAN

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Trace what is done for the request in the context."""
        with tracing.span("request", SpanKind.SERVER, self._parent) as self._span:
            self._span.set_attribute("request.id", self.request_id)
            yield

    def asks_for(self, pipeline: Pipeline) -> None:
        """Note what is wanted, which could be read."""
        self._pipeline = pipeline
        self._span.update_name(pipeline)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count and trace that the request waits for its turn in the context."""
        with tracing.span("waiting"), self._metrics.waiting():
            started = time.monotonic()
            yield
        self._waited_s = round(time.monotonic() - started, 3)

    def named(self, answer: Answer) -> Answer:
        """Return an answer that tells which request it is to."""
        processing = answer.processing.model_copy(update={"request_id": self.request_id})
        return answer.model_copy(update={"processing": processing})

    def answered(self, answer: Answer) -> None:
        """Tell that the request has its answer."""
        assert self._pipeline is not None  # noqa: S101
        self._metrics.answered(self._pipeline, answer)
        speakers = len(answer.speakers) if isinstance(answer, DiarizedResult) else None
        processing = answer.processing
        self._tell(OK, audio_seconds=answer.audio.duration, speakers=speakers, stages=processing.stages)

    def failed(self, failure: TriologueError) -> None:
        """Tell that the request ends in an error."""
        self._metrics.failed(failure.code)
        # The words about an option may quote what it was, such as the names of people.
        why = None if failure.code is ErrorCode.INVALID_OPTION else failure.message
        self._tell(failure.code.value, why=why)

    def _tell(self, code: str, **more: Any) -> None:
        fields: dict[str, Any] = {
            "request_id": self.request_id,
            "pipeline": self._pipeline,
            "code": code,
            "seconds": round(time.monotonic() - self._began, 3),
            "waited_seconds": self._waited_s,
            **more,
        }
        if self._span.is_recording():
            fields["trace_id"] = format_trace_id(self._span.get_span_context().trace_id)
            self._span.set_attribute("code", code)
            if "audio_seconds" in more:
                self._span.set_attribute("audio.seconds", more["audio_seconds"])
            if code != OK:
                self._span.set_status(StatusCode.ERROR, code)
        known = {name: value for name, value in fields.items() if value is not None}
        level = logging.ERROR if code == ErrorCode.INTERNAL.value else logging.INFO
        _log.log(level, "%s %s", RECORDING, json.dumps(known))
