"""A server with two instances of Whisper that compute in batches."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.server.metrics import counts
from tests.server.test_commands import descendants
from triologue import Client
from triologue_server.triton.server import TritonServer


def test_both_instances_answer_requests_that_come_together(batched: TritonServer, sample: Path) -> None:
    def transcribe(_: int) -> str:
        with Client(batched.http_url, timeout_s=120) as client:
            return client.transcribe(sample, language="en").text

    instances = [
        process for process in descendants(batched._process.pid) if "\0whisper_0_" in command_line(process)
    ]
    assert len(instances) == 2
    before = [cpu_seconds(process) for process in instances]
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(transcribe, range(4))
    assert "New Jersey" in first
    assert others == [first] * 3
    for process, seconds in zip(instances, before, strict=True):
        assert cpu_seconds(process) - seconds > 0.1


def test_windows_of_different_recordings_share_executions(batched: TritonServer, sample: Path) -> None:
    requests, executions = "nv_inference_request_success", "nv_inference_exec_count"
    before = counts(batched, requests)["whisper"], counts(batched, executions)["whisper"]

    def transcribe(_: int) -> str:
        with Client(batched.grpc_url, timeout_s=120) as client:
            return client.transcribe(sample, mode="sequential", vad_filter=False, temperature=0.0).text

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(transcribe, range(4)))) == 1

    served = counts(batched, requests)["whisper"] - before[0]
    # Each recording has several windows, one after the other.
    assert served >= 4 * 2
    assert counts(batched, executions)["whisper"] - before[1] <= served - 3


def command_line(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text()


def cpu_seconds(process: int) -> float:
    """Return how long a process has computed."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
