"""A collector of OpenTelemetry, for its protocol OTLP over HTTP."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Collected:
    """A span as it came in."""

    def __init__(self, resource: Any, span: Any) -> None:
        self.process = _attributes(resource)
        """Attributes of the process."""
        self.name: str = span.name
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.kind, self.failed = span.kind, span.status.message
        self.start, self.end = span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9
        self.attributes = _attributes(span)
        self.events = [event.name for event in span.events]
        self.text = str(span)
        """All of it."""


class Collector:
    """Keeps what came in."""

    def __init__(self) -> None:
        self.spans: list[Collected] = []
        self.url = ""
        """For `OTEL_EXPORTER_OTLP_ENDPOINT`."""

    def take(self, body: bytes) -> None:
        for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in of_process.scope_spans:
                self.spans += [Collected(of_process.resource, span) for span in scope.spans]

    def named(self, name: str) -> list[Collected]:
        return [span for span in self.spans if span.name == name]

    def beneath(self, parent: Collected) -> list[Collected]:
        return [span for span in self.spans if (span.trace, span.parent) == (parent.trace, parent.id)]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect on a free port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            collector.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _attributes(of: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in of.attributes}
