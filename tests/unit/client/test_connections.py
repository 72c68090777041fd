"""Connections: shared by threads, used again, encrypted."""

import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from tests.unit.client.conftest import Connect, seen_by

from triologue import Client, ServerUnavailable, Tls

Serve = Callable[..., AbstractContextManager[str]]


def test_threads_share_a_client(scheme: str, serve: Serve) -> None:
    with serve(scheme) as url, Client(url) as client, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: client.transcribe(b"%d" % number), range(40)))
    assert [seen_by(result)["audio"] for result in results] == [str(number) for number in range(40)]
    # As many connections as there were calls at once, and not as calls.
    assert len({seen_by(result)["peer"] for result in results}) <= 8


def test_a_connection_is_used_again(scheme: str, serve: Serve, connect: Connect) -> None:
    with serve(scheme) as url, connect(url) as client:
        peers = {seen_by(client.transcribe(b"RIFF"))["peer"] for _ in range(5)}
        peers.add(seen_by(list(client.stream(b"RIFF", pipeline="transcription"))[-1].result)["peer"])
    assert len(peers) == 1


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_calls_leave_nothing_open(scheme: str, serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "meeting.wav"
    path.write_bytes(b"RIFF")
    with serve(scheme) as url, Client(url) as client, ThreadPoolExecutor(4) as pool:
        list(pool.map(client.transcribe, [path] * 8))
        before = open_files()
        list(pool.map(client.transcribe, [path] * 80))
        for _ in range(20):
            next(client.stream(path))
        # A connection each side for each of the four threads may have come in between.
        assert open_files() <= before + 8


class Authority:
    """A certificate authority, what it has signed, and the files of both."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.ca, self.certificate, self.key = (folder / f"{name}.pem" for name in ("ca", "cert", "key"))
        self.authority.cert_pem.write_to_path(str(self.ca))
        signed = self.authority.issue_cert("client@example.org")
        signed.cert_chain_pems[0].write_to_path(str(self.certificate))
        signed.private_key_pem.write_to_path(str(self.key))

    def server(self, scheme: str, *, asks_for_certificate: bool) -> Any:
        signed = self.authority.issue_cert("127.0.0.1")
        if scheme == "grpc":
            pair = (signed.private_key_pem.bytes(), signed.cert_chain_pems[0].bytes())
            return grpc.ssl_server_credentials(
                [pair], self.authority.cert_pem.bytes(), require_client_auth=asks_for_certificate
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        signed.configure_cert(context)
        if asks_for_certificate:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def test_encrypted(scheme: str, tmp_path: Path, serve: Serve, connect: Connect) -> None:
    known = Authority(tmp_path)
    with serve(scheme, tls=known.server(scheme, asks_for_certificate=False)) as url:
        with connect(url, tls=Tls(ca=known.ca)) as client:
            assert client.transcribe(b"RIFF").text == "Hello."
            assert client.is_ready() is True
        with connect(url, retries=0) as client, pytest.raises(ServerUnavailable, match=f"^{url} "):
            client.transcribe(b"RIFF")


def test_a_certificate_of_the_client(scheme: str, tmp_path: Path, serve: Serve, connect: Connect) -> None:
    known = Authority(tmp_path)
    with serve(scheme, tls=known.server(scheme, asks_for_certificate=True)) as url:
        own = Tls(ca=known.ca, certificate=known.certificate, key=known.key)
        with connect(url, tls=own) as client:
            assert client.transcribe(b"RIFF").text == "Hello."
        with connect(url, retries=0, tls=Tls(ca=known.ca)) as client, pytest.raises(ServerUnavailable):
            client.transcribe(b"RIFF")


def test_certificates_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="go together"):
        Tls(certificate=tmp_path)
    with pytest.raises(ValueError, match="https"):
        Client("http://127.0.0.1:8000", tls=Tls(ca=tmp_path))


def test_a_client_over_http_needs_no_grpc_and_none_needs_numpy(serve: Serve) -> None:
    program = (
        "import sys; from triologue import Client\n"
        "with Client(sys.argv[1]) as client: client.transcribe(b'RIFF')\n"
        "print(sorted({'grpc', 'numpy', 'torch'} & sys.modules.keys()))"
    )
    with serve("http") as url:
        run = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
