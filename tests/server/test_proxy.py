"""The reverse proxy of `deploy/proxy`: a real nginx between real clients and a real server."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from tests.full import full_over
from tests.server.metrics import counts
from tests.server.proxies import ANN, BEN, Proxy, grpc_server, held_back_stream, http_server, proxied
from tests.server.recordings import joined, silence, wav
from triologue import (
    AccessDenied,
    Client,
    DiarizedTranscriptionResult,
    PayloadTooLarge,
    ProgressEvent,
    ResultEvent,
    SegmentEvent,
    ServerOverloaded,
    ServerUnavailable,
    TriologueError,
)
from triologue_server.triton.metrics import IN_FLIGHT
from triologue_server.triton.server import TritonServer

SERVICE = "/inference.GRPCInferenceService"

pytestmark = pytest.mark.skipif(
    not all(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in ("nginx", "envsubst")),
    reason="nginx (Debian: nginx-light) or envsubst (Debian: gettext-base) is not installed",
)


def before(triton: TritonServer, **variables: object) -> Any:
    addresses = (url.partition("://")[2] for url in (triton.http_url, triton.grpc_url))
    return proxied(*addresses, **variables)


@pytest.fixture(scope="module")
def proxy(triton: TritonServer) -> Iterator[Proxy]:
    with before(triton) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def long_recording(sample: Path) -> bytes:
    """Two and a half minutes of talk."""
    return joined(sample, 5)


@pytest.fixture(params=["https", "grpcs"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_a_client_asks_for_comes_through(proxy: Proxy, scheme: str, sample: Path) -> None:
    with proxy.client(scheme) as client:
        info = client.server_info()
        *_, last = client.stream(sample, temperature=0.0)
    assert info.ready
    assert all(info.models.values())
    assert info.settings["whisper"] == "base"
    assert isinstance(last, ResultEvent)
    assert isinstance(last.result, DiarizedTranscriptionResult)
    assert "Hello" in last.result.text


def test_the_bytes_of_a_file_alone(proxy: Proxy) -> None:
    headers = {"Inference-Header-Content-Length": "0"}
    status, _, body = proxy.ask("POST", "/v2/models/transcription/infer", silence(1), **headers)
    assert status == 200
    assert b'"language": "silence"' in body


@pytest.mark.parametrize("key", [None, "c3" * 32, ANN[:-1], f"{ANN} {ANN}"])
def test_without_a_key_nothing_is_answered(proxy: Proxy, scheme: str, key: str | None) -> None:
    with proxy.client(scheme, key) as client:
        for call in (lambda: client.transcribe(silence(1)), client.server_info):
            with pytest.raises(AccessDenied, match=r"^the API key is missing or unknown"):
                call()
        assert not client.is_ready()


CORES = ("whisper", "pyannote_segmentation", "speaker_embedding")
CLOSED = [
    *(("POST", f"/v2/models/{core}/infer") for core in CORES),
    *(("GET", f"/v2/models/{core}/config") for core in CORES),
    ("POST", "/v2/models/whisper/versions/1/infer"),
    ("GET", "/metrics"),
    ("GET", "/v2/models/stats"),
    ("GET", "/v2/models/transcription/stats"),
    ("POST", "/v2/repository/index"),
    ("POST", "/v2/repository/models/transcription/unload"),
    ("GET", "/v2/trace/setting"),
    ("POST", "/v2/models/transcription/trace/setting"),
    ("POST", "/v2/logging"),
    ("GET", "/v2/systemsharedmemory/status"),
    ("POST", "/v2/systemsharedmemory/region/mine/register"),
    ("GET", "/v2/cudasharedmemory/status"),
    ("DELETE", "/v2/models/transcription/infer"),
    ("GET", "/"),
    # Paths that are others once they are tidied up, or before.
    ("POST", "/v2/models/transcription/../whisper/infer"),
    ("POST", "/v2/models/whisper/infer/../../transcription/infer"),
    ("POST", "/v2/models/transcription%2f..%2fwhisper/infer"),
    ("POST", "/v2/models/%77hisper/infer"),
    ("POST", "//v2/models/transcription/infer"),
    ("POST", "/v2/models/transcription/infer?key=in-a-query"),
    ("POST", f"{SERVICE}/../v2/models/whisper/infer"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_other_paths_are_refused_even_with_a_key(proxy: Proxy, method: str, path: str) -> None:
    status, _, body = proxy.ask(method, path, b"{}" if method == "POST" else None)
    assert status == 403
    assert json.loads(body)["error"].startswith("ACCESS_DENIED: ")


@pytest.mark.parametrize(
    "method",
    [
        *(f"{SERVICE}/{name}" for name in ("ModelInfer", "ModelStatistics", "TraceSetting", "LogSettings")),
        *(f"{SERVICE}/Repository{name}" for name in ("Index", "ModelLoad", "ModelUnload")),
        *(f"{SERVICE}/SystemSharedMemory{name}" for name in ("Status", "Register", "Unregister")),
        *(f"{SERVICE}/CudaSharedMemory{name}" for name in ("Status", "Register", "Unregister")),
        "/inference.AnotherService/ModelStreamInfer",
    ],
)
def test_other_methods_of_grpc_are_refused_even_with_a_key(proxy: Proxy, method: str) -> None:
    with proxy.channel() as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(method)(b"", timeout=30, metadata=[("authorization", f"Bearer {ANN}")])
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert refused.value.details().startswith("ACCESS_DENIED: ")


def test_a_key_makes_so_many_calls_a_minute(triton: TritonServer, scheme: str) -> None:
    with before(triton, PROXY_CALLS_PER_MINUTE=1, PROXY_CALLS_BURST=1) as proxy:
        with proxy.client(scheme, retries=0) as client:
            client.transcribe(silence(1))
            client.transcribe(silence(1))
            with pytest.raises(ServerOverloaded, match="this key has made") as refused:
                client.transcribe(silence(1))
            assert refused.value.retry_after_s == 5.0
            assert client.is_ready()  # a question is no call
        with proxy.client(scheme, BEN, retries=0) as client:
            client.transcribe(silence(1))
        status, headers, _ = proxy.ask("POST", "/v2/models/transcription/infer", b"{}")
        assert (status, headers["Retry-After"]) == (429, "5")


@full_over("scheme", "grpcs", always="https")
def test_a_client_that_was_refused_comes_back(triton: TritonServer, scheme: str) -> None:
    variables = {"PROXY_CALLS_PER_MINUTE": 12, "PROXY_CALLS_BURST": 1, "PROXY_RETRY_AFTER_S": 2}
    with before(triton, **variables) as proxy:
        with proxy.client(scheme, retries=20) as client:
            for _ in range(3):
                client.transcribe(silence(1))
        statuses = [call["status"] for call in proxy.log()]
    assert 429 in statuses
    assert statuses.count(200) == 3


@pytest.mark.parametrize(
    ("limits", "ben_is_let_in"),
    [
        ({"PROXY_CALLS_AT_ONCE": 1}, True),
        ({"PROXY_ALL_CALLS_AT_ONCE": 1}, False),
    ],
)
def test_so_many_calls_at_once(
    triton: TritonServer, scheme: str, long_recording: bytes, limits: dict[str, int], ben_is_let_in: bool
) -> None:
    with before(triton, **limits) as proxy, proxy.client(scheme, retries=0) as ann:
        with proxy.client(scheme, BEN, retries=0) as ben:
            events = ann.stream(long_recording)
            next(events)
            with pytest.raises(ServerOverloaded, match="as many calls are under way"):
                ann.transcribe(silence(1))
            if ben_is_let_in:
                ben.transcribe(silence(1))
            else:
                with pytest.raises(ServerOverloaded, match="as many calls are under way"):
                    ben.transcribe(silence(1))
            events.close()
        _wait_until_idle(triton)


def test_a_request_of_too_many_bytes(proxy: Proxy, scheme: str) -> None:
    with proxy.client(scheme) as client, pytest.raises(PayloadTooLarge, match="11 MiB this proxy takes"):
        client.transcribe(bytes(12_000_000))


def test_a_request_that_does_not_say_how_long_it_is(proxy: Proxy) -> None:
    pieces = iter([b"{", b"}"])
    status, _, body = proxy.ask("POST", "/v2/models/transcription/generate", pieces)
    assert status == 411
    assert "how long it is" in json.loads(body)["error"]


def test_nothing_of_an_upload_is_written_to_a_file(proxy: Proxy, scheme: str) -> None:
    def touched() -> dict[str, int]:
        # That of a folder changes with whatever comes and goes in it.
        return {path.name: path.stat().st_mtime_ns for path in (proxy.folder / "run").rglob("*")}

    upload = wav(np.zeros(7_900_000 // 2, np.int16), 44_100)
    then = touched()
    assert {"body", "proxy"} <= then.keys()
    with proxy.client(scheme) as client:
        assert client.transcribe(upload).transcription_info.language == "silence"
    if scheme == "https":
        headers = {"Inference-Header-Content-Length": "0"}
        assert proxy.ask("POST", "/v2/models/transcription/infer", upload, **headers)[0] == 200
    assert touched() == then


def test_events_are_not_held_back() -> None:
    with (
        held_back_stream() as (address, go_on),
        proxied(address, address) as proxy,
        proxy.client("https", timeout_s=20, retries=0) as client,
    ):
        events = client.stream(b"RIFF")
        assert isinstance(next(events), ProgressEvent)
        go_on()
        assert isinstance(next(events), ProgressEvent)
        events.close()


def test_events_come_while_the_server_works(
    proxy: Proxy, triton: TritonServer, scheme: str, long_recording: bytes
) -> None:
    with proxy.client(scheme) as client:
        events = client.stream(long_recording)
        next(event for event in events if not isinstance(event, ResultEvent))
        assert counts(triton, IN_FLIGHT)[""] == 1
        events.close()
    _wait_until_idle(triton)


def test_a_caller_who_leaves_takes_no_further_work(
    proxy: Proxy, triton: TritonServer, scheme: str, long_recording: bytes
) -> None:
    _wait_until_idle(triton)
    then = counts(triton, "nv_inference_exec_count")["whisper"]
    with proxy.client(scheme) as client:
        # One window after the other: five or more of them are the whole of it.
        events = client.stream(long_recording, pipeline="transcription", mode="sequential", temperature=0.0)
        next(event for event in events if isinstance(event, SegmentEvent))
        events.close()
    _wait_until_idle(triton)
    assert counts(triton, "nv_inference_exec_count")["whisper"] - then <= 3


def _wait_until_idle(triton: TritonServer) -> None:
    until = time.monotonic() + 30
    while counts(triton, IN_FLIGHT)[""] and time.monotonic() < until:
        time.sleep(0.05)
    assert counts(triton, IN_FLIGHT)[""] == 0


def test_without_tls_nothing_is_answered(proxy: Proxy) -> None:
    plain = f"http://127.0.0.1:{proxy.port}"
    answer = httpx.get(f"{plain}/v2/health/live", headers={"Authorization": f"Bearer {ANN}"})
    assert answer.status_code == 400
    for url in (plain, plain.replace("http", "grpc")):
        with Client(url, api_key=ANN, retries=0, timeout_s=10) as client, pytest.raises(TriologueError):
            client.transcribe(silence(1))


def test_a_server_that_is_not_there(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        nowhere = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            proxied(nowhere, nowhere) as proxy,
            proxy.client(scheme, retries=0) as client,
            pytest.raises(ServerUnavailable, match="the proxy cannot reach the server"),
        ):
            client.transcribe(silence(1))


def test_the_log_names_callers_and_tells_neither_keys_nor_queries(proxy: Proxy) -> None:
    wrong = "d4" * 32
    for scheme in ("https", "grpcs"):
        for key in (ANN, BEN, wrong):
            with proxy.client(scheme, key, retries=0) as client:
                for upload in (b"no recording", bytes(12_000_000)):
                    with suppress(TriologueError):
                        client.transcribe(upload)
    proxy.ask("GET", "/v2?token=in-a-query")
    assert {"ann", "ben", ""} <= {call["caller"] for call in proxy.log()}
    assert {"address", "path", "status", "grpc_status", "seconds"} <= proxy.log()[-1].keys()
    said = (proxy.folder / "access").read_text() + (proxy.folder / "errors").read_text()
    assert "too large" in said  # the log of errors has something to tell
    for secret in (ANN, BEN, wrong, "in-a-query"):
        assert secret not in said


@full_over("scheme", "https", always="grpcs")
def test_keys_are_exchanged_while_it_runs(triton: TritonServer, scheme: str, long_recording: bytes) -> None:
    with before(triton) as proxy, proxy.client(scheme) as ann:
        events = ann.stream(long_recording)
        next(events)
        (proxy.folder / "keys").write_text(f'"Bearer {BEN}" ben;\n')
        proxy.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        # A connection of its own each time: those that were open keep the keys of before, and so does for
        # a moment a worker that has not heard of it yet.
        while any(proxy.ask("GET", "/v2")[0] != 401 for _ in range(20)) and time.monotonic() < until:
            time.sleep(0.05)
        with proxy.client(scheme, retries=0) as again, pytest.raises(AccessDenied):
            again.transcribe(silence(1))
        with proxy.client(scheme, BEN) as ben:
            ben.transcribe(silence(1))
        *_, last = events
    assert isinstance(last, ResultEvent)


def test_without_a_file_the_log_goes_to_the_standard_output() -> None:
    with proxied("127.0.0.1:1", "127.0.0.1:1", PROXY_ACCESS_LOG="") as proxy:
        assert proxy.ask("GET", "/v2")[0] == 502
        output, until = proxy.folder / "output", time.monotonic() + 20
        while not output.read_text().endswith("\n") and time.monotonic() < until:
            time.sleep(0.05)
        assert json.loads(output.read_text())["caller"] == "ann"


def test_what_an_answer_tells_a_browser_and_an_attacker(proxy: Proxy) -> None:
    for status, key in ((200, ANN), (401, "wrong")):
        found, headers, _ = proxy.ask("GET", "/v2", Authorization=f"Bearer {key}")
        assert found == status
        assert headers["Server"] == "nginx"
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["WWW-Authenticate"] == ("Bearer" if status == 401 else None)


def test_the_server_gets_neither_the_key_nor_packed_bodies() -> None:
    seen: list[dict[str, str]] = []
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/json", "triologue-key": "x"}
    with http_server(seen) as http, grpc_server(seen) as grpcs, proxied(http, grpcs) as proxy:
        assert proxy.ask("POST", "/v2/models/transcription/infer", b"{}", **packed)[0] == 200
        with proxy.channel() as channel:
            ask = partial(
                channel.unary_unary(f"{SERVICE}/ServerLive"),
                bytes(10_000),
                timeout=30,
                metadata=[("authorization", f"Bearer {ANN}")],
            )
            assert ask() == b""
            # Nobody told the server how to unfold it.
            with pytest.raises(grpc.RpcError, match=r"(?i)compress"):
                ask(compression=grpc.Compression.Gzip)
    over_http, over_grpc, *_ = seen
    assert over_http["content-type"] == "application/json"
    for names in (over_http, over_grpc):
        assert not {"authorization", "content-encoding", "triologue-key"} & names.keys()


def test_it_runs_as_somebody_who_is_not_root(proxy: Proxy) -> None:
    master = (proxy.folder / "run" / "nginx.pid").read_text().strip()
    assert master == str(proxy.process.pid)
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    assert workers
    for process in (master, *workers):
        status = Path(f"/proc/{process}/status").read_text()
        (uids,) = (line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
        assert "0" not in uids
