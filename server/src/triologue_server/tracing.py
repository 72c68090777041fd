"""Traces of OpenTelemetry, from who calls down to the batches of the cores.

Nothing is recorded unless the environment names a collector, as OpenTelemetry has it, in
`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`. Its other variables hold too, for the
sampler, headers, and so on. Spans go there by OTLP over HTTP, and hold neither audio nor words.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from triologue.tracing import ID_HEADER

HEADERS = ("traceparent", "tracestate")
"""What tells whose trace something belongs to (W3C Trace Context): HTTP headers, or request parameters."""
FORWARDED = (ID_HEADER, *HEADERS)
"""HTTP headers and gRPC metadata that Triton hands over as request parameters."""

_COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

_tracer = trace.get_tracer("triologue_server")
_propagator = TraceContextTextMapPropagator()


def begin(model: str) -> None:
    """Have the spans of this process go to the collector, if there is one.

    Args:
        model: The Triton model that the process runs.
    """
    if not any(map(os.environ.get, _COLLECTORS)):
        return
    # It takes a while to import.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"triton.model": model}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, parent: Context | None = None) -> Iterator[Span]:
    """Record a span of what is done in the context, beneath `parent`, or else the span around it."""
    # What an exception says may quote what a caller sent.
    with _tracer.start_as_current_span(
        name, parent, kind, record_exception=False, set_status_on_exception=False
    ) as current:
        yield current


def record(name: str, parent: Context, started_ns: int, attributes: Attributes) -> None:
    """Record a span that ends now.

    Args:
        name: Its name.
        parent: Beneath which it is.
        started_ns: When it began, in nanoseconds since 1970.
        attributes: More about it.
    """
    _tracer.start_span(name, parent, attributes=attributes, start_time=started_ns).end()


def parent_of(headers: Mapping[str, object]) -> Context | None:
    """Return what the spans of a request belong beneath, if it says so."""
    given = {name: str(headers[name]) for name in HEADERS if name in headers}
    return _propagator.extract(given) if given else None


def headers() -> dict[str, str]:
    """Return what tells a server that its spans belong beneath the current one."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier
