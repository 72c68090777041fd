"""Traces of OpenTelemetry: a span for each call, beneath the one that is current where it is made.

Nothing is recorded unless the program has set up OpenTelemetry's SDK. The server puts its own spans beneath.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from triologue.schema import TriologueError

ID_HEADER = "x-request-id"
"""The header by which a caller, or a proxy, says what a request is called."""

_tracer = trace.get_tracer("triologue")
_propagator = TraceContextTextMapPropagator()


@contextmanager
def traced(pipeline: str, request_id: str) -> Iterator[dict[str, str]]:
    """Record a span of a call, and yield what tells the server that its own belong beneath it.

    It is not the current one meanwhile: a call is made in steps, and other things are done in between.

    Args:
        pipeline: What is asked for.
        request_id: What the call is called.
    """
    span = _tracer.start_span(f"triologue {pipeline}", kind=SpanKind.CLIENT)
    span.set_attribute("request.id", request_id)
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span))
    try:
        yield carrier
    except Exception as error:
        # What an exception says may quote what was sent.
        kind = error.code.value if isinstance(error, TriologueError) else type(error).__name__
        span.set_status(StatusCode.ERROR, kind)
        span.set_attribute("error.type", kind)
        raise
    finally:
        span.end()
