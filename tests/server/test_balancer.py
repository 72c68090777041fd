"""Two servers behind HAProxy: each has its share, and one that dies or stops costs nobody an answer."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.full import full
from tests.ports import find_free_port
from tests.server.metrics import value, wait_for_recordings
from tests.server.recordings import part
from triologue import Client
from triologue_server.settings import Settings
from triologue_server.triton.server import TritonServer

pytestmark = [full, pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")]

CONFIG = Path(__file__).parents[2] / "deploy" / "balancer" / "haproxy.cfg"
ONE = {"concurrency": 1, "queue": 4}


@dataclass
class Balanced:
    """Servers, and where HAProxy listens for them."""

    servers: list[TritonServer]
    http_url: str
    grpc_url: str

    def answered(self) -> list[float]:
        metric = "triologue_audio_seconds_count"
        return [value(server, metric, pipeline="diarized_asr") for server in self.servers]

    def in_flight(self) -> list[float]:
        return [value(server, "triologue_recordings_in_flight") for server in self.servers]


def server() -> TritonServer:
    settings = Settings(
        http_port=0,
        grpc_port=0,
        metrics_port=0,
        service={"diarized_asr": ONE, "transcription": ONE, "diarization": ONE},
    )
    return TritonServer(settings)


@contextmanager
def haproxy(folder: Path, servers: list[TritonServer]) -> Iterator[Balanced]:
    http, grpc = find_free_port(), find_free_port()
    text = CONFIG.read_text().replace("127.0.0.1:9000", f"127.0.0.1:{http}")
    text = text.replace("127.0.0.1:9001", f"127.0.0.1:{grpc}")
    for name, one in zip("ab", servers, strict=True):
        text = text.replace(f"triologue-{name}:8000", f"127.0.0.1:{one.settings.http_port}")
        text = text.replace(
            f"triologue-{name}:8001 proto h2 port 8000",
            f"127.0.0.1:{one.settings.grpc_port} proto h2 port {one.settings.http_port}",
        )
    (folder / "haproxy.cfg").write_text(text)
    process = subprocess.Popen(["haproxy", "-f", folder / "haproxy.cfg"])
    try:
        until = time.monotonic() + 10
        while not all(map(is_listening, (http, grpc))):
            assert time.monotonic() < until
            time.sleep(0.05)
        yield Balanced(servers, f"http://127.0.0.1:{http}", f"grpc://127.0.0.1:{grpc}")
    finally:
        process.terminate()
        process.wait(10)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    with ExitStack() as stack:
        servers = [stack.enter_context(server()) for _ in range(2)]
        yield stack.enter_context(haproxy(tmp_path_factory.mktemp("haproxy"), servers))


@pytest.mark.parametrize("over", ["http", "grpc"])
def test_each_server_has_its_share(over: str, balanced: Balanced, sample: Path) -> None:
    """One client, with one connection of gRPC, whose requests go to both."""
    before = balanced.answered()
    url = balanced.http_url if over == "http" else balanced.grpc_url
    with Client(url, timeout_s=120) as client, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(client.transcribe_diarized, part(sample, 0.0, 10.0)) for _ in range(8)]
        assert all(answer.result().speakers for answer in answers)
    grown = [after - then for after, then in zip(balanced.answered(), before, strict=True)]
    assert sum(grown) == 8
    assert min(grown) >= 3


Ends = Callable[[TritonServer], None]


@pytest.mark.parametrize("ends", [TritonServer.stop, TritonServer.kill], ids=["stops", "dies"])
def test_a_server_that_ends_costs_nobody_an_answer(ends: Ends, balanced: Balanced, sample: Path) -> None:
    with ExitStack() as stack:
        clients = [
            stack.enter_context(Client(url, timeout_s=120, retries=5))
            for url in (balanced.http_url, balanced.grpc_url)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(6))
        calls: list[Future[list[str]]] = [
            pool.submit(lambda client: client.transcribe_diarized(sample).speakers, clients[number % 2])
            for number in range(6)
        ]
        until = time.monotonic() + 30
        while min(balanced.in_flight()) < 2:
            assert time.monotonic() < until
        first, other = balanced.servers
        ends(first)
        assert [call.result() for call in calls] == [["SPEAKER_00", "SPEAKER_01"]] * 6
        # Whoever comes now finds the other one.
        assert [client.diarize(part(sample, 0.0, 5.0)).speakers for client in clients]
        wait_for_recordings(other, 0)
    first.start()
    time.sleep(2.0)  # until HAProxy has seen it
