"""More than the service can do: what is let in is finished, the rest is refused at once and may come back."""

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests.full import full
from tests.server.metrics import counts, wait_for_recordings
from tests.server.recordings import joined, part, silence
from triologue import Client, DeadlineExceeded, ServerOverloaded, TriologueError
from triologue.schema import server_error
from triologue_server.settings import Settings
from triologue_server.triton.server import TritonServer

CORES = ("whisper", "pyannote_segmentation", "speaker_embedding")


@pytest.fixture(scope="module")
def narrow() -> Iterator[TritonServer]:
    """A server that works on one recording, while two others may wait."""
    settings = Settings(
        http_port=0,
        grpc_port=0,
        metrics_port=0,
        limits={"recordings_in_flight": 1, "recordings_waiting": 2},
        service={
            "diarized_asr": {"concurrency": 1, "queue": 1},
            "transcription": {"concurrency": 1},
            "diarization": {"concurrency": 1},
        },
    )
    with TritonServer(settings) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def url(request: pytest.FixtureRequest, narrow: TritonServer) -> str:
    return narrow.http_url if request.param == "http" else narrow.grpc_url


@pytest.fixture(autouse=True)
def empty_after(narrow: TritonServer) -> Iterator[None]:
    yield
    wait_for_recordings(narrow, 0)
    with Client(narrow.http_url) as client:
        assert client.transcribe(silence(1)).transcription_info.language == "silence"


@contextmanager
def recordings(server: TritonServer, number: int, long: bytes) -> Iterator[None]:
    """Keep so many recordings in the service, each longer than a test takes."""
    with ExitStack() as stack:
        for _ in range(number):
            client = stack.enter_context(Client(server.http_url, timeout_s=120))
            stack.enter_context(ThreadPoolExecutor(1)).submit(client.transcribe_diarized, long)
            stack.callback(client.close)
        wait_for_recordings(server, number)
        yield


@pytest.fixture(scope="module")
def long(sample: Path) -> bytes:
    """Five minutes of talk."""
    return joined(sample, 10)


@pytest.fixture(scope="module")
def short(sample: Path) -> bytes:
    """Four seconds of talk."""
    return part(sample, 6.0, 10.0)


def executions(server: TritonServer) -> int:
    found = counts(server, "nv_inference_exec_count")
    return sum(found[core] for core in CORES)


def test_who_finds_it_full_is_refused_and_told_when_to_come_back(
    url: str, narrow: TritonServer, long: bytes
) -> None:
    with recordings(narrow, 3, long), Client(url, retries=0) as client:
        with pytest.raises(ServerOverloaded, match="3 recordings are being worked on or waiting") as refused:
            client.transcribe(silence(1))
        assert refused.value.retry_after_s is not None
        assert 1.0 <= refused.value.retry_after_s <= 60.0
        wait_for_recordings(narrow, 3)


def test_ten_times_more_than_fit_at_once(url: str, short: bytes) -> None:
    """Thirty come for three places: who is let in gets the answer, and all others know they may retry."""
    start = threading.Barrier(30)

    def call() -> str:
        with Client(url, retries=0, timeout_s=120) as client:
            start.wait()
            return client.transcribe_diarized(short, beam_size=1).text

    with ThreadPoolExecutor(30) as pool:
        calls: list[Future[str]] = [pool.submit(call) for _ in range(30)]
    errors = [call.exception() for call in calls]
    answers = {call.result() for call, error in zip(calls, errors, strict=True) if error is None}
    assert 3 <= errors.count(None) <= 6
    assert len(answers) == 1
    assert {type(error) for error in errors if error} == {ServerOverloaded}
    assert all(error.retry_after_s for error in errors if isinstance(error, ServerOverloaded))


@full
def test_callers_who_come_back_are_all_served_in_the_end(url: str, short: bytes) -> None:

    def call(_: int) -> str:
        with Client(url, retries=100, timeout_s=200) as client:
            return client.transcribe(short, beam_size=1).text

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(call, range(5)))
    assert len(set(answers)) == 1
    assert answers[0]


def test_a_deadline_passes_in_the_queue(url: str, narrow: TritonServer, long: bytes) -> None:
    with recordings(narrow, 2, long):
        with Client(url) as client, pytest.raises(DeadlineExceeded):
            client.transcribe(silence(1), timeout_s=1.0)
        # Its place is free for another one.
        wait_for_recordings(narrow, 2)


def generate(server: TritonServer, model: str, upload: bytes, **parameters: Any) -> httpx.Response:
    if model == "diarized_asr_stream":
        audio = {"AUDIO": base64.b64encode(upload).decode(), "encoding": "base64", "events": "result"}
        return httpx.post(
            f"{server.http_url}/v2/models/{model}/generate", json=audio | parameters, timeout=120
        )
    head = b'{"inputs": [{"name": "AUDIO", "shape": [1], "datatype": "BYTES", "parameters": '
    head += b'{"binary_data_size": %d}}], "parameters": ' % (len(upload) + 4)
    head += json.dumps(parameters).encode() + b"}"
    return httpx.post(
        f"{server.http_url}/v2/models/{model}/infer",
        content=head + len(upload).to_bytes(4, "little") + upload,
        headers={"Inference-Header-Content-Length": str(len(head))},
        timeout=120,
    )


@pytest.mark.parametrize(
    ("model", "patience"),
    [
        ("diarized_asr_stream", {"timeout_s": 1.5}),
        ("diarized_asr", {"timeout_s": 1.5}),
        ("diarized_asr", {"timeout": 1_500_000}),
    ],
)
def test_the_server_ends_what_takes_longer_than_its_caller_waits(
    model: str, patience: dict[str, Any], narrow: TritonServer, long: bytes
) -> None:
    """Without any client of ours: by our parameter, and by Triton's own, which is in microseconds."""
    reply = generate(narrow, model, long, **patience)
    assert reply.status_code == {"diarized_asr_stream": 400, "diarized_asr": 503}[model]
    assert reply.json()["error"] == "DEADLINE_EXCEEDED: no answer within the 1.5 s of timeout_s"
    wait_for_recordings(narrow, 0)


def test_a_deadline_passes_in_the_queue_of_a_unary_model(narrow: TritonServer, long: bytes) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(generate, narrow, "diarized_asr", long, timeout_s=6.0)
        wait_for_recordings(narrow, 1)
        reply = generate(narrow, "diarized_asr", silence(1), timeout=500_000)
        assert reply.status_code == 503
        assert isinstance(server_error(reply.json()["error"]), DeadlineExceeded)
        assert first.result().status_code == 503


def silent_hours(hours: float) -> bytes:
    """Return a small file that takes a while to decode."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 160_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        for _ in range(round(hours * 360)):
            frame.pts = None
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


@full
def test_a_caller_goes_while_their_recording_is_decoded(url: str, narrow: TritonServer) -> None:
    upload = silent_hours(7.0)
    then = executions(narrow)
    with Client(url) as client, pytest.raises(DeadlineExceeded):
        client.transcribe_diarized(upload, timeout_s=1.0)
    wait_for_recordings(narrow, 0)
    time.sleep(1.0)
    assert executions(narrow) == then


def test_a_caller_goes_while_they_wait_in_the_queue(url: str, narrow: TritonServer, long: bytes) -> None:
    with recordings(narrow, 1, long):
        client = Client(url)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.transcribe, long)
            wait_for_recordings(narrow, 2)
            client.close()
            assert isinstance(waiting.exception(), TriologueError)
        wait_for_recordings(narrow, 1)
