"""Calls in traces of OpenTelemetry, and what they are called."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from tests.unit.client.conftest import Connect
from tests.unit.conftest import echo

from triologue import InvalidAudio, ServerOverloaded, tracing

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    """An SDK as a program sets it up."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("triologue"))
    yield provider, exporter
    provider.shutdown()


class Server:
    """Answers, or refuses so many times before, and keeps the headers of each request."""

    def __init__(self, scheme: str, refusal: str = "", times: int = 0) -> None:
        self.refusals = [refusal] * times
        self.headers: list[dict[str, str]] = []
        self._scheme = scheme

    def __call__(
        self, pipeline: str, parameters: dict[str, Any], audio: bytes, headers: dict[str, str]
    ) -> Any:
        self.headers.append(headers)
        if not self.refusals:
            return echo(pipeline, parameters, audio, headers)
        text = self.refusals.pop()
        return (None, text) if self._scheme == "grpc" else (400, json.dumps({"error": text}))


def spans_of(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def test_a_call_is_a_span_beneath_that_of_the_caller(
    scheme: str, serve: Serve, connect: Connect, provider: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    sdk, exporter = provider
    server = Server(scheme)
    with serve(scheme, server) as url, connect(url) as client:
        with sdk.get_tracer("test").start_as_current_span("caller") as caller:
            client.transcribe(b"RIFF")
            assert trace.get_current_span() is caller
        assert list(client.stream(b"RIFF", pipeline="diarization"))
    (one,) = spans_of(exporter, "triologue transcription")
    assert (one.kind, one.status.status_code) == (SpanKind.CLIENT, StatusCode.UNSET)
    assert one.parent is not None
    assert one.parent.span_id == caller.get_span_context().span_id
    (other,) = spans_of(exporter, "triologue diarization")
    assert other.parent is None
    for span, headers in zip((one, other), server.headers, strict=True):
        assert span.context is not None
        ids = format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)
        assert headers["traceparent"].startswith(f"00-{ids[0]}-{ids[1]}-")
        assert span.attributes == {"request.id": headers["x-request-id"]}


def test_an_error_is_in_the_trace_without_its_words(
    scheme: str, serve: Serve, connect: Connect, provider: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    server = Server(scheme, "INVALID_AUDIO: the words of the server", 1)
    with serve(scheme, server) as url, connect(url) as client, pytest.raises(InvalidAudio) as raised:
        client.diarize(b"RIFF")
    (span,) = spans_of(provider[1], "triologue diarization")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "INVALID_AUDIO")
    assert span.events == ()
    assert raised.value.request_id == server.headers[0]["x-request-id"]


def test_a_call_that_is_made_again_keeps_its_name(scheme: str, serve: Serve, connect: Connect) -> None:
    server = Server(scheme, "OVERLOADED: try again in 0.01 s", 2)
    with serve(scheme, server) as url, connect(url, retries=2) as client:
        client.diarize(b"RIFF")
        client.diarize(b"RIFF")
        *first, second = (headers["x-request-id"] for headers in server.headers)
        assert len(first) == 3
        assert len({*first}) == 1
        assert second not in first
        server.refusals = ["OVERLOADED: try again in 0.01 s"] * 3
        with pytest.raises(ServerOverloaded) as raised:
            client.diarize(b"RIFF")
    assert raised.value.request_id == server.headers[-1]["x-request-id"]


def test_without_an_sdk_nothing_is_traced(scheme: str, serve: Serve, connect: Connect) -> None:
    server = Server(scheme)
    with serve(scheme, server) as url, connect(url) as client:
        client.transcribe(b"RIFF")
    assert "traceparent" not in server.headers[0]
