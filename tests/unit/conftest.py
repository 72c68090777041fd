"""Small servers that speak Triton's HTTP and gRPC on real sockets, for the tests of the client."""

import base64
import json
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from tests.ports import find_free_port
from tritonclient.grpc import service_pb2, service_pb2_grpc

HALF = {
    "audio": {"duration": 30.0, "sample_rate": 16000, "channels": 1},
    "processing": {"seconds": 5.0, "rtfx": 6.0},
}
TRANSCRIPT = {
    "segments": [{"text": " Hello.", "time_interval": {"start": 0.0, "end": 1.0}}],
    "transcription_info": {"language": "en", "language_confidence": 0.98},
    "transcription": {"text": "Hello."},
}
TURNS = {"turns": [{"time_interval": {"start": 0.0, "end": 1.0}, "speaker": "SPEAKER_00"}]}
ANSWERS = {
    "transcription": {"type": "transcription", **HALF, **TRANSCRIPT},
    "diarization": {"type": "diarization", **HALF, **TURNS},
    "diarized_asr": {"type": "diarized_asr", **HALF, **TRANSCRIPT, **TURNS},
}
INFO = json.dumps({"type": "info", "audio": HALF["audio"]}).encode()
PROGRESS = json.dumps(
    {"type": "progress", "stage": "transcription", "completed": 1.0, "total": 30.0}
).encode()
SEGMENT = json.dumps({"type": "segment", "segment": TRANSCRIPT["segments"][0]}).encode()
HEARTBEAT = b""
SETTINGS = {"whisper": "base", "upload_mb": "512"}

FORWARDED = {"x-request-id", "traceparent", "tracestate"}
"""Headers that travel as parameters."""

# What a server does with (pipeline, parameters, audio, headers): the JSON of a result; or a status and a
# text, of the request alone where the status is None; or events, one by one.
Answer = Callable[[str, dict[str, Any], bytes, dict[str, str]], bytes | tuple[Any, str] | Iterator[bytes]]


def echo(pipeline: str, parameters: dict[str, Any], audio: bytes, headers: dict[str, str]) -> bytes:
    """Answer with a result whose warnings say what arrived."""
    seen = {
        "model": pipeline,
        "parameters": parameters,
        "audio": audio.decode("latin-1"),
        "name": headers.get("x-name"),
        "key": headers.get("authorization"),
        "peer": headers["peer"],
    }
    return json.dumps(ANSWERS[pipeline] | {"warnings": [json.dumps(seen)]}).encode()


def result_event(result: bytes) -> bytes:
    return b'{"type": "result", "result": %b}' % result


@dataclass
class Asked:
    """What a server was asked."""

    pipeline: str
    parameters: dict[str, Any]
    audio: bytes
    headers: dict[str, str]

    def answered(self, answer: Answer) -> tuple[Any, str] | Iterator[bytes]:
        """Return an error, or the events that were asked for."""
        assert self.parameters.pop("pipeline") == self.pipeline
        events = self.parameters.pop("events")
        assert self.parameters.pop("timeout_s") > 0
        assert self.parameters.pop("heartbeat") is True
        self.headers.update({name: self.parameters.pop(name) for name in FORWARDED & set(self.parameters)})
        came = answer(self.pipeline, self.parameters, self.audio, self.headers)
        if isinstance(came, bytes):
            told = [INFO, PROGRESS, SEGMENT] if events == "all" else []
            return iter([*told, HEARTBEAT, result_event(came)])
        return came


@contextmanager
def http_server(answer: Answer, port: int, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = self.path.split("/")
            known = "models" not in parts or parts[parts.index("models") + 1] != "diarized_asr"
            body = b""
            if self.path == "/v2":
                body = b'{"version": "2.51.0"}'
            elif parts[-1] == "config":
                settings = {name: {"string_value": value} for name, value in SETTINGS.items()}
                body = json.dumps({"parameters": settings}).encode()
            self.reply(200 if known else 400, body)

        def do_POST(self) -> None:
            assert self.path.endswith("/v2/models/diarized_asr_stream/generate_stream"), self.path
            fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert fields.pop("encoding") == "base64"
            audio = base64.b64decode(fields.pop("AUDIO"), validate=True)
            headers = {name.lower(): value for name, value in self.headers.items()}
            headers["peer"] = str(self.client_address[1])
            came = Asked(fields["pipeline"], fields, audio, headers).answered(answer)
            if isinstance(came, tuple):
                self.reply(came[0], came[1].encode())
            else:
                self.stream(came)

        def stream(self, events: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for event in events:
                reply = {"model_name": "diarized_asr_stream", "model_version": "1"}
                if event != HEARTBEAT:
                    reply["EVENT"] = event.decode()
                self.chunk(b"data: %b\n\n" % json.dumps(reply).encode())
            self.chunk(b"")

        def chunk(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep the output of the tests readable."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Callers who go away are what some tests are about."""

    with Server(("127.0.0.1", port), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):
    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.ServerLiveResponse(live=True)

    def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.ServerReadyResponse(ready=True)

    def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.ServerMetadataResponse(version="2.51.0")

    def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.name == "diarized_asr":
            context.abort(
                grpc.StatusCode.UNAVAILABLE, f"Request for unknown model: '{request.name}' is not found"
            )
        return service_pb2.ModelReadyResponse(ready=True)

    def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        reply = service_pb2.ModelConfigResponse()
        for name, value in SETTINGS.items():
            reply.config.parameters[name].string_value = value
        return reply

    def ModelStreamInfer(self, requests: Any, context: Any) -> Any:  # noqa: N802
        request = next(requests)
        assert request.model_name == "diarized_asr_stream"
        parameters = {
            name: getattr(value, value.WhichOneof("parameter_choice"))
            for name, value in request.parameters.items()
        }
        (content,) = request.raw_input_contents
        assert struct.unpack("<I", content[:4]) == (len(content) - 4,)
        headers = dict(context.invocation_metadata()) | {"peer": context.peer().rpartition(":")[2]}
        came = Asked(parameters["pipeline"], parameters, content[4:], headers).answered(self.answer)
        if isinstance(came, tuple):
            status, text = came
            if status is not None:
                context.abort(status, text)
            yield service_pb2.ModelStreamInferResponse(error_message=text)
            return
        for event in came:
            if event == HEARTBEAT:
                yield service_pb2.ModelStreamInferResponse(infer_response=service_pb2.ModelInferResponse())
                continue
            reply = service_pb2.ModelInferResponse(
                outputs=[{"name": "EVENT", "datatype": "BYTES", "shape": [1]}],
                raw_output_contents=[struct.pack("<I", len(event)) + event],
            )
            yield service_pb2.ModelStreamInferResponse(infer_response=reply)
        # As Triton does, the end of it is said in a reply of its own.
        yield service_pb2.ModelStreamInferResponse(infer_response=service_pb2.ModelInferResponse())


@contextmanager
def grpc_server(answer: Answer, port: int, tls: Any = None) -> Iterator[str]:
    with ThreadPoolExecutor(16) as pool:
        options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
        server = grpc.server(pool, options=options)
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(answer), server)
        address = f"127.0.0.1:{port}"
        port = server.add_secure_port(address, tls) if tls else server.add_insecure_port(address)
        server.start()
        try:
            yield f"grpc{'s' if tls else ''}://127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def serve() -> Serve:
    """Return `serve(scheme, answer=echo, port=0, tls=None)`, a context manager that gives a server's URL."""

    def serve(
        scheme: str, answer: Answer = echo, port: int = 0, tls: Any = None
    ) -> AbstractContextManager[str]:
        return {"http": http_server, "grpc": grpc_server}[scheme](answer, port, tls)

    return serve


@pytest.fixture
def free_port() -> int:
    return find_free_port()
