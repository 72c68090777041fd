"""Small servers that speak Triton's HTTP and gRPC on real sockets, for the tests of the client."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
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
    "transcription": HALF | TRANSCRIPT,
    "diarization": HALF | TURNS,
    "diarized_asr": HALF | TRANSCRIPT | TURNS,
}

# What a server does with (model, parameters, audio, headers): the JSON of a result, or a status and a text.
Answer = Callable[[str, dict[str, Any], bytes, dict[str, str]], bytes | tuple[Any, str]]


def echo(model: str, parameters: dict[str, Any], audio: bytes, headers: dict[str, str]) -> bytes:
    """Answer with a result whose warnings say what arrived."""
    seen = {"model": model, "parameters": parameters, "audio": audio.decode(), "name": headers.get("x-name")}
    return json.dumps(ANSWERS[model] | {"warnings": [json.dumps(seen)]}).encode()


@contextmanager
def http_server(answer: Answer, port: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = (
                self.path.split("/")[3] in {"transcription", "diarization"} if "models" in self.path else True
            )
            body = b'{"version": "2.51.0"}' if self.path == "/v2" else b""
            self.reply(200 if known else 400, body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            split = int(self.headers["Inference-Header-Content-Length"])
            parameters = json.loads(body[:split])["parameters"]
            assert parameters.pop("binary_data_output") is True
            headers = {name.lower(): value for name, value in self.headers.items()}
            answered = answer(self.path.split("/")[3], parameters, body[split + 4 :], headers)
            if isinstance(answered, tuple):
                self.reply(answered[0], answered[1].encode())
                return
            data = struct.pack("<I", len(answered)) + answered
            output = {"name": "RESULT", "datatype": "BYTES", "shape": [1]}
            head = json.dumps(
                {"outputs": [output | {"parameters": {"binary_data_size": len(data)}}]}
            ).encode()
            self.reply(200, head + data, {"Inference-Header-Content-Length": str(len(head))})

        def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep the output of the tests readable."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
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

    def ModelStreamInfer(self, requests: Any, context: Any) -> Any:  # noqa: N802
        request = next(requests)
        assert request.model_name == "diarized_asr_stream"
        parameters = {
            name: getattr(value, value.WhichOneof("parameter_choice"))
            for name, value in request.parameters.items()
        }
        assert parameters.pop("events") == "result"
        answered = self.answer(
            parameters.pop("pipeline"),
            parameters,
            request.raw_input_contents[0][4:],
            dict(context.invocation_metadata()),
        )
        if isinstance(answered, tuple):
            status, text = answered
            if status is None:  # what Triton says of a request, and not of the connection
                yield service_pb2.ModelStreamInferResponse(error_message=text)
                return
            context.abort(status, text)
        event = b'{"type": "result", "result": %b}' % answered
        reply = service_pb2.ModelInferResponse(
            outputs=[{"name": "EVENT", "datatype": "BYTES", "shape": [1]}],
            raw_output_contents=[struct.pack("<I", len(event)) + event],
        )
        yield service_pb2.ModelStreamInferResponse(infer_response=reply)


@contextmanager
def grpc_server(answer: Answer, port: int) -> Iterator[str]:
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool)
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(answer), server)
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield f"grpc://127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def serve() -> Serve:
    """Return `serve(scheme, answer=echo, port=0)`, a context manager that gives the URL of a server."""

    def serve(scheme: str, answer: Answer = echo, port: int = 0) -> AbstractContextManager[str]:
        return {"http": http_server, "grpc": grpc_server}[scheme](answer, port)

    return serve


@pytest.fixture
def free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])
