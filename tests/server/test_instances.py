"""A server with two instances of Whisper, whose model is a folder of the user's own."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server.test_commands import descendants
from triologue import Client
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.triton.server import TritonServer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper tiny.en, outside the model store."""
    folder = tmp_path_factory.mktemp("own") / "whisper"
    folder.symlink_to(ModelStore().require(resolve_whisper("tiny.en")))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[TritonServer]:
    settings = Settings(
        http_port=0,
        grpc_port=0,
        metrics_port=0,
        whisper={"model": str(folder), "instances": 2, "threads": 1, "max_batch_size": 1},
        service={"diarized_asr": {"concurrency": 1}, "diarization": {"concurrency": 1}},
    )
    with TritonServer(settings) as server:
        yield server


def test_both_instances_answer_requests_that_come_together(server: TritonServer, sample: Path) -> None:
    def transcribe(_: int) -> str:
        with Client(server.http_url, timeout_s=120) as client:
            return client.transcribe(sample, language="en").text

    instances = [
        process for process in descendants(server._process.pid) if "\0whisper_0_" in command_line(process)
    ]
    assert len(instances) == 2
    before = [cpu_seconds(process) for process in instances]
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(transcribe, range(4))
    assert "New Jersey" in first
    assert others == [first] * 3
    for process, seconds in zip(instances, before, strict=True):
        assert cpu_seconds(process) - seconds > 0.1


def command_line(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text()


def cpu_seconds(process: int) -> float:
    """Return how long a process has computed."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
