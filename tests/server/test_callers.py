"""Callers who go away: the server stops working for them, by Triton's own count."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc

from tests.server.metrics import counts, wait_for_recordings
from tests.server.recordings import joined
from triologue import AsyncClient, Client, DeadlineExceeded, ProgressEvent
from triologue_server.triton.processes import Stubs
from triologue_server.triton.server import TritonServer

CORES = ("whisper", "pyannote_segmentation", "speaker_embedding")
MORE = 2
"""Executions, of one window or span each, that a caller may cost who is gone, beside those under way then.

Triton notices over HTTP when the second heartbeat is sent to who is not there.
"""


@pytest.fixture(scope="module")
def long_recording(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and a half minutes of talk, which take the cores several executions each."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    path.write_bytes(joined(sample, 5))
    return path


def executions(triton: TritonServer) -> Counter[str]:
    found = counts(triton, "nv_inference_exec_count")
    return Counter({core: found[core] for core in CORES})


def recordings_kept(triton: TritonServer) -> int:
    """Return how many recordings are in the conductor's memory, decoded."""
    stubs = Stubs(triton._process.pid).models
    (conductor,) = (pid for pid, model in stubs.items() if model == "diarized_asr_stream")
    files = Path(f"/proc/{conductor}/fd").iterdir()
    return sum(str(file.readlink()).startswith("/memfd:samples") for file in files)


def is_past_segmentation(event: object) -> bool:
    return isinstance(event, ProgressEvent) and event.stage == "segmentation"


def close_a_stream(url: str, recording: Path) -> None:
    with Client(url) as client:
        events = client.stream(recording)
        next(event for event in events if is_past_segmentation(event))
        events.close()


def cancel_a_task(url: str, recording: Path) -> None:
    async def call() -> None:
        async with AsyncClient(url) as client:
            begun = asyncio.Event()
            task = asyncio.create_task(
                client.transcribe_diarized(
                    recording, on_event=lambda event: is_past_segmentation(event) and begun.set()
                )
            )
            await begun.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()

    asyncio.run(call())


def interrupt_the_command_line(url: str, recording: Path) -> None:
    program = Path(sys.executable).with_name("triologue")
    call = subprocess.Popen(
        [program, "transcribe", "--diarize", "--json", recording, "--url", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert call.stderr is not None
    next(line for line in call.stderr if "segmentation" in line)
    call.send_signal(signal.SIGINT)
    call.communicate(timeout=20)
    assert call.returncode == 130


def let_a_deadline_pass(url: str, recording: Path) -> None:
    with Client(url) as client, pytest.raises(DeadlineExceeded):
        client.transcribe_diarized(recording, timeout_s=1.0)


def cancel_a_unary_call(url: str, recording: Path) -> None:
    if url.startswith("http"):
        pytest.skip("Triton does not tell a unary model that its caller over HTTP has gone")
    audio = tritonclient.grpc.InferInput("AUDIO", [1], "BYTES")
    audio.set_data_from_numpy(np.array([recording.read_bytes()], object))
    with tritonclient.grpc.InferenceServerClient(url.removeprefix("grpc://")) as client:
        call = client.async_infer("diarized_asr", [audio], callback=lambda result, error: None)
        time.sleep(3.0)
        call.cancel()


def break_off_an_upload(url: str, recording: Path) -> None:
    """Go when half of the recording is sent."""
    host, _, port = url.rpartition("/")[2].partition(":")
    if url.startswith("grpc"):
        pytest.skip("a message of gRPC is handed to Triton when it is whole")
    body = recording.read_bytes()
    head = f"POST /v2/models/diarized_asr/infer HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}Inference-Header-Content-Length: 0\r\n\r\n".encode())
        connection.sendall(body[: len(body) // 2])


@pytest.mark.parametrize(
    "leave",
    [
        break_off_an_upload,
        cancel_a_unary_call,
        close_a_stream,
        cancel_a_task,
        interrupt_the_command_line,
        let_a_deadline_pass,
    ],
)
def test_a_caller_who_leaves_takes_no_further_work(
    leave: Callable[[str, Path], None],
    client_url: str,
    triton: TritonServer,
    long_recording: Path,
    sample: Path,
) -> None:
    leave(client_url, long_recording)
    then = executions(triton)
    wait_for_recordings(triton, 0)
    time.sleep(1.0)  # What is in the queue of a core is not counted as a recording in flight.
    under_way = len(os.sched_getaffinity(0))  # a place for each thread
    assert (executions(triton) - then).total() <= under_way + MORE
    assert recordings_kept(triton) == 0
    with Client(client_url) as client:
        assert client.diarize(sample).speakers == ["SPEAKER_00", "SPEAKER_01"]
