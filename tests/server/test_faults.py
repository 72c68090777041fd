"""Processes that die at work: whoever waits is told in time, and the service comes back by itself."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from tests.full import IS_FULL
from tests.server.metrics import wait_for_recordings
from tests.server.recordings import joined, part
from triologue import Client, TriologueError
from triologue_server.triton.processes import Stubs

if TYPE_CHECKING:
    from typing_extensions import Self

MODELS = ["diarized_asr_stream"]
if IS_FULL:
    MODELS += ["whisper", "pyannote_segmentation", "speaker_embedding", "diarized_asr"]


class Supervised:
    """A `triologue-server serve`, which starts again what dies."""

    def __init__(self, said: Path) -> None:
        self._said = said
        self._is_stopping = False
        settings = {"service.diarized_asr.concurrency": 2, "service.diarized_asr.queue": 8}
        settings |= {
            "grace_s": 200,
            "service.transcription.concurrency": 1,
            "service.diarization.concurrency": 1,
        }
        with said.open("w") as log:
            self.process = subprocess.Popen(
                [
                    Path(sys.executable).with_name("triologue-server"),
                    "serve",
                    *(f"--{name}-port=0" for name in ("http", "grpc", "metrics")),
                    *(f"--set={name}={value}" for name, value in settings.items()),
                ],
                stderr=log,
            )
        self.wait_for("try: ")
        lines = [line.split() for line in said.read_text().splitlines()]
        self.http_url, self.grpc_url, self.metrics_url = (
            next(line[1] for line in lines if line and line[0] == name)
            for name in ("HTTP", "gRPC", "metrics")
        )

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        assert self.process.wait(60) == 0

    def stop(self) -> None:
        """Ask it to stop, once: a second time would end it at once."""
        if not self._is_stopping:
            self._is_stopping = True
            self.process.terminate()

    @property
    def starts(self) -> int:
        return self._said.read_text().count("started again in ")

    def wait_for_start(self, number: int) -> None:
        self.wait_for("started again in ", number)

    def stubs(self) -> Stubs:
        pid = self.process.pid
        triton = int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
        return Stubs(triton)

    def wait_for(self, text: str, times: int = 1) -> None:
        until = time.monotonic() + 120
        while self._said.read_text().count(text) < times:
            assert self.process.poll() is None, self._said.read_text()
            assert time.monotonic() < until, self._said.read_text()
            time.sleep(0.1)


@pytest.fixture(scope="module")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    with Supervised(tmp_path_factory.mktemp("supervised") / "said") as server:
        yield server


@pytest.fixture(scope="module")
def talk(sample: Path) -> bytes:
    """A minute of talk."""
    return joined(sample, 2)


def stream(url: str, talk: bytes, retries: int = 0) -> str:
    """Ask by our client; return what came of it."""
    try:
        with Client(url, retries=retries, timeout_s=60 * (1 + retries)) as client:
            return client.transcribe_diarized(talk, beam_size=1).type
    except TriologueError as error:
        return error.code.value


def infer(url: str, talk: bytes) -> str:
    """Ask a unary model by plain Triton."""
    audio = tritonclient.grpc.InferInput("AUDIO", [1], "BYTES")
    audio.set_data_from_numpy(np.array([talk], object))
    with tritonclient.grpc.InferenceServerClient(url.removeprefix("grpc://")) as client:
        try:
            client.infer("diarized_asr", [audio], client_timeout=60)
        except InferenceServerException as error:
            return f"{error.status()}: {error.message()}"
    return "diarized_asr"


class Watch(threading.Thread):
    """Asks all the time whether the service is ready, and whether the conductor then refuses bad uploads."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.lies: list[str] = []
        self._url, self._ends = url, threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=5.0, trust_env=False) as http:
            while not self._ends.wait(0.25):
                with suppress(httpx.TransportError):
                    if not http.get("/v2/models/diarized_asr_stream/ready").is_success:
                        continue
                    asked = time.monotonic()
                    try:
                        reply = http.post("/v2/models/diarized_asr_stream/generate", json={"AUDIO": "x"}).text
                    except httpx.TransportError as error:
                        # It ended just then: a connection that breaks off is no lie, one that hangs is.
                        reply = "" if time.monotonic() - asked < 2.0 else repr(error)
                    if reply and "INVALID_AUDIO" not in reply and "not healthy" not in reply:
                        self.lies.append(reply)

    def end(self) -> None:
        self._ends.set()
        self.join()


@pytest.mark.parametrize("model", MODELS)
def test_a_process_is_killed_while_eight_wait(
    model: str, supervised: Supervised, talk: bytes, sample: Path
) -> None:
    few_words = part(sample, 0.0, 5.0)
    starts = supervised.starts
    watch = Watch(supervised.http_url)
    watch.start()
    with ThreadPoolExecutor(10) as pool:
        calls = [
            pool.submit(ask, url, talk)
            for ask, url in (
                (stream, supervised.http_url),
                (stream, supervised.grpc_url),
                (infer, supervised.grpc_url),
                (stream, supervised.http_url),
            )
            * 2
        ]
        patient = [
            pool.submit(stream, url, few_words, 20) for url in (supervised.http_url, supervised.grpc_url)
        ]
        time.sleep(3.0)
        stubs = supervised.stubs().models
        os.kill(next(pid for pid, found in stubs.items() if found == model), signal.SIGKILL)
        killed = time.monotonic()
        ended = [call.result() for call in calls]
        took = time.monotonic() - killed
        # Who may try again notices nothing.
        assert [call.result() for call in patient] == ["diarized_asr"] * 2
    # Nobody waited for a deadline, which is a minute.
    assert took < 30.0
    assert {what.partition(":")[0] for what in ended} <= {
        "diarized_asr",
        "UNAVAILABLE",
        "INTERNAL",
        "StatusCode.UNAVAILABLE",
        "StatusCode.INTERNAL",
        "StatusCode.CANCELLED",
    }, ended
    supervised.wait_for_start(starts + 1)
    watch.end()
    assert watch.lies == []
    assert stream(supervised.http_url, few_words) == "diarized_asr"
    assert sorted(supervised.stubs().models.values()) == sorted(stubs.values())


def test_a_server_that_stops_answers_what_has_come_in_and_takes_nothing_more(
    tmp_path: Path, sample: Path
) -> None:
    talk = sample.read_bytes()
    with Supervised(tmp_path / "said") as server, ThreadPoolExecutor(3) as pool:
        stubs = server.stubs()
        calls = [
            # The first to end: Triton does not care for the others then (2.51).
            pool.submit(stream, server.http_url, part(sample, 0.0, 10.0)),
            pool.submit(stream, server.grpc_url, talk),
            pool.submit(infer, server.grpc_url, talk),
        ]
        wait_for_recordings(server, 3)
        server.stop()
        server.wait_for("stopping: ")
        time.sleep(0.5)
        late = [stream(url, talk) for url in (server.http_url, server.grpc_url)]
        # Triton goes on to call itself ready over gRPC (2.51): probes are to ask over HTTP.
        is_ready = Client(server.http_url).is_ready()
        assert [call.result() for call in calls] == ["diarized_asr"] * 3
    assert late == ["UNAVAILABLE"] * 2
    assert not is_ready
    assert stubs.ended() == sorted(set(stubs.models.values()))
    assert not list(Path("/dev/shm").glob(f"triologue_{server.process.pid}_*"))
