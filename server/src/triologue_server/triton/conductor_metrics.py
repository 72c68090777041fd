"""What the conductor tells Prometheus through Triton's `/metrics`: recordings, and what became of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import get_args

import triton_python_backend_utils as pb_utils

from triologue.schema import DiarizedResult, ErrorCode, Stage
from triologue_server.conductor.run import Answer, Pipeline
from triologue_server.triton.cores import CORES
from triologue_server.triton.metrics import IN_FLIGHT

_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
_LENGTHS = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
_FACTORS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
_SPEAKERS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)


class _Family:
    """Metrics of one name, each with a value of its label; without a label there is one."""

    def __init__(
        self,
        kind: str,
        name: str,
        description: str,
        label: str = "",
        values: Sequence[str] = ("",),
        buckets: Sequence[float] = (),
    ) -> None:
        # Kept, since a metric whose family is gone is no longer told to anybody.
        self._family = pb_utils.MetricFamily(
            name=name, description=description, kind=getattr(pb_utils.MetricFamily, kind)
        )
        shape = {"buckets": list(buckets)} if buckets else {}
        # All of them from the start: a rate can be told of what has been zero before.
        self._metrics = {
            value: self._family.Metric(labels={label: value} if label else {}, **shape) for value in values
        }

    def __getitem__(self, value: str) -> pb_utils.Metric:
        return self._metrics[value]


_gauge, _counter, _histogram = (partial(_Family, kind) for kind in ("GAUGE", "COUNTER", "HISTOGRAM"))


class ConductorMetrics:
    """The metrics of the conductor; of one process, whose numbers begin at zero when it is started again."""

    def __init__(self) -> None:
        by_pipeline = partial(_histogram, label="pipeline", values=get_args(Pipeline))
        self._in_flight = _gauge(IN_FLIGHT, "Recordings being worked on or waiting")
        self._waiting = _gauge("triologue_recordings_waiting", "Recordings that wait for their turn")
        self._waited = _histogram(
            "triologue_queue_seconds", "How long recordings waited for their turn", buckets=_SECONDS
        )
        self._audio = by_pipeline("triologue_audio_seconds", "Length of what was answered", buckets=_LENGTHS)
        self._took = by_pipeline(
            "triologue_processing_seconds", "From the start of decoding to the answer", buckets=_SECONDS
        )
        self._rtfx = by_pipeline("triologue_rtfx", "Audio seconds per processing second", buckets=_FACTORS)
        self._stages = _histogram(
            "triologue_stage_seconds",
            "From the start of a stage to its end",
            buckets=_SECONDS,
            label="stage",
            values=get_args(Stage),
        )
        self._core_wait = _histogram(
            "triologue_core_wait_seconds",
            "How long calls of a core waited in the conductor for their turn",
            buckets=_SECONDS,
            label="core",
            values=CORES,
        )
        self._speakers = _histogram("triologue_speakers", "Speakers of a recording", buckets=_SPEAKERS)
        self._errors = _counter(
            "triologue_errors_total",
            "Recordings that ended in an error",
            label="code",
            values=[code.value for code in ErrorCode],
        )
        self._windows = _counter("triologue_windows_total", "Windows that Whisper was asked for")
        self._fallbacks = _counter(
            "triologue_fallback_windows_total", "Windows that Whisper decoded again at a higher temperature"
        )

    def count(self, change: int) -> None:
        """Tell by how much the number of recordings has changed that were let in."""
        self._in_flight[""].increment(change)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Tell of a recording that waits for its turn in the context."""
        started = time.monotonic()
        self._waiting[""].increment(1)
        try:
            yield
        finally:
            self._waiting[""].increment(-1)
        self._waited[""].observe(time.monotonic() - started)

    def core_waited_for(self, core: str, seconds: float) -> None:
        """Tell how long a call of a core has waited for its turn."""
        self._core_wait[core].observe(seconds)

    def window(self, fell_back: bool) -> None:
        """Tell of an answer of Whisper."""
        self._windows[""].increment(1)
        if fell_back:
            self._fallbacks[""].increment(1)

    def answered(self, pipeline: Pipeline, answer: Answer) -> None:
        """Tell of an answer."""
        self._audio[pipeline].observe(answer.audio.duration)
        self._took[pipeline].observe(answer.processing.seconds)
        self._rtfx[pipeline].observe(answer.processing.rtfx)
        for stage, seconds in answer.processing.stages.items():
            self._stages[stage].observe(seconds)
        if isinstance(answer, DiarizedResult):
            self._speakers[""].observe(len(answer.speakers))

    def failed(self, code: ErrorCode) -> None:
        """Tell of an error."""
        self._errors[code.value].increment(1)
