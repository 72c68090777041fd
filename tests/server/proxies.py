"""A proxy of `deploy/proxy` that runs, and servers that stand behind one and tell what they were sent."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import grpc
import trustme

from tests.ports import find_free_port
from triologue import Client, ProgressEvent, Tls

ANN, BEN = "a1" * 32, "b2" * 32
"""The keys of two callers."""

_SOURCE = Path(__file__).parents[2] / "deploy" / "proxy"
_NOBODY = 65_534


@dataclass(frozen=True)
class Proxy:
    """A proxy that listens."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def client(self, scheme: str, key: str | None = ANN, **options: Any) -> Client:
        options = {"timeout_s": 120, **options}
        return Client(
            f"{scheme}://127.0.0.1:{self.port}", api_key=key, tls=Tls(ca=self.folder / "ca"), **options
        )

    def ask(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, **headers: str
    ) -> tuple[int, Any, bytes]:
        """Ask for a path just as it is written."""
        context = ssl.create_default_context(cafile=self.folder / "ca")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {ANN}", **headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        trusted = grpc.ssl_channel_credentials((self.folder / "ca").read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{self.port}", trusted) as channel:
            yield channel

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "access").read_text().splitlines()]


@contextmanager
def proxied(http: str, grpc: str, **variables: object) -> Iterator[Proxy]:
    """Start a proxy before these addresses, as a user who may not do much."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in _SOURCE.iterdir():
            shutil.copy(file, folder)
        authority = trustme.CA()
        signed = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(folder / "ca")
        signed.cert_chain_pems[0].write_to_path(folder / "certificate")
        signed.private_key_pem.write_to_path(folder / "key")
        (folder / "keys").write_text(f'"Bearer {ANN}" ann;\n"Bearer {BEN}" ben;\n')
        port = find_free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PROXY_PORT": port,
            "PROXY_CERTIFICATE": folder / "certificate",
            "PROXY_CERTIFICATE_KEY": folder / "key",
            "PROXY_KEYS": folder / "keys",
            "PROXY_FOLDER": folder / "run",
            "PROXY_ACCESS_LOG": folder / "access",
            "PROXY_HTTP": http,
            "PROXY_GRPC": grpc,
            "PROXY_BODY_MB": 11,
            "PROXY_CALLS_PER_MINUTE": 6_000,
            **variables,
        }
        user: dict[str, Any] = {}
        if os.getuid() == 0:
            user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
            for path in (folder, *folder.iterdir()):
                os.chown(path, _NOBODY, _NOBODY)
        with (folder / "errors").open("wb") as errors, (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [folder / "run.sh"],
                env={name: str(value) for name, value in environment.items()},
                stdout=output,
                stderr=errors,
                **user,
            )
        try:
            until = time.monotonic() + 20
            while not _listens(port):
                assert process.poll() is None, (folder / "errors").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield Proxy(folder, port, process)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def http_server(seen: list[dict[str, str]]) -> Iterator[str]:
    """Answer every request with nothing, and keep its headers."""

    class Handler(_Handler):
        def answer(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})

    with _serving(Handler) as address:
        yield address


@contextmanager
def held_back_stream() -> Iterator[tuple[str, Callable[[], None]]]:
    """Stream an event, and another one when the function that comes with the address was called."""
    may_go_on = Event()

    class Handler(_Handler):
        def answer(self) -> None:
            for _ in range(2):
                event = ProgressEvent(stage="transcription", completed=1.0, total=2.0).model_dump_json()
                self.wfile.write(f"data: {json.dumps({'EVENT': event})}\n\n".encode())
                may_go_on.wait(60)

    with _serving(Handler) as address:
        try:
            yield address, may_go_on.set
        finally:
            may_go_on.set()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.answer()

    def answer(self) -> None:
        raise NotImplementedError

    def log_message(self, *_: object) -> None: ...


@contextmanager
def _serving(handler: type[_Handler]) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def grpc_server(seen: list[dict[str, str]]) -> Iterator[str]:
    """Answer every unary call with nothing, and keep its metadata."""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            seen.append(dict(details.invocation_metadata))
            answer: Callable[[bytes, Any], bytes] = lambda request, context: b""  # noqa: E731
            return grpc.unary_unary_rpc_method_handler(answer)

    with futures.ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool, handlers=[Handler()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()
