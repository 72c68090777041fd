"""Many more callers at once than there are cores: everybody is answered, and no process dies of it."""

import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import numpy as np
import pytest
import tritonclient.grpc

from tests.full import full
from tests.server.metrics import counts
from tests.server.recordings import silence, wav
from tests.server.test_launcher import wait_until
from triologue import Client, DiarizedTranscriptionResult, ResultEvent
from triologue_server.settings import Settings
from triologue_server.triton.metrics import IN_FLIGHT
from triologue_server.triton.server import TritonServer

CALLERS = 64
TALKERS = range(0, CALLERS, 4)
"""Those whose recordings Whisper hears, which takes it more than a second each."""
SECONDS = [round(1.0 + 0.01 * number, 2) for number in range(CALLERS)]
"""How long their recordings are: by that everybody knows an answer for theirs."""
PROXIES = {"diarized_asr": 4, "transcription": 1, "diarization": 1}
PROCESSES = 4 + sum(PROXIES.values())
"""Of the cores, the conductor, and the proxies."""
FAST = {"language": "en", "beam_size": 1, "temperature": 0.0}

pytestmark = full


@pytest.fixture(scope="module")
def crowded() -> Iterator[TritonServer]:
    """A server that works on the recordings of all callers at once."""
    settings = Settings(
        http_port=0,
        grpc_port=0,
        metrics_port=0,
        limits={"recordings_in_flight": CALLERS, "recordings_waiting": 0},
        service={name: {"concurrency": count, "queue": CALLERS} for name, count in PROXIES.items()},
    )
    with TritonServer(settings) as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_has_died(crowded: TritonServer) -> Iterator[None]:
    before = processes(crowded)
    assert len(before) == 1 + PROCESSES
    yield
    # The last answers are sent before their recordings are counted as done.
    wait_until(lambda: counts(crowded, IN_FLIGHT)[""] == 0)
    assert processes(crowded) == before
    with Client(crowded.grpc_url) as client:
        assert all(client.server_info().models.values())


@pytest.fixture(scope="module")
def clips(sample: Path) -> list[bytes]:
    """A second or two of the conversation for each caller."""
    with wave.open(str(sample)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    starts = np.linspace(6.3, 27.5, CALLERS)
    return [
        wav(samples[round(start * 16_000) :][: round(seconds * 16_000)])
        for start, seconds in zip(starts, SECONDS, strict=True)
    ]


def test_streams(crowded: TritonServer, clips: list[bytes]) -> None:
    def ask(number: int) -> float:
        with Client(url_of(number, crowded), timeout_s=250, retries=0) as client:
            if number in TALKERS:
                *_, last = client.stream(clips[number], **FAST)
            else:
                *_, last = client.stream(clips[number], pipeline="diarization")
        assert isinstance(last, ResultEvent)
        return last.result.audio.duration

    before = counts(crowded, "nv_inference_request_success")
    assert at_once(ask) == SECONDS
    served = counts(crowded, "nv_inference_request_success") - before
    assert served["diarized_asr_stream"] == CALLERS
    assert served["pyannote_segmentation"] == CALLERS
    assert served["whisper"] >= len(TALKERS) / 2
    assert served["speaker_embedding"] >= CALLERS / 2


def test_large_uploads_while_the_cores_are_called(crowded: TritonServer, clips: list[bytes]) -> None:
    """What Triton and the conductor share grows while much of it is in use."""
    large = silence(60.0)

    def ask(number: int) -> float:
        with Client(url_of(number, crowded), timeout_s=250, retries=0) as client:
            if number % 4 < 2:
                return client.transcribe(large).audio.duration
            return client.diarize(clips[number]).audio.duration

    assert at_once(ask) == [60.0 if number % 4 < 2 else SECONDS[number] for number in range(CALLERS)]


def test_unary_calls(crowded: TritonServer, clips: list[bytes]) -> None:
    url = f"{crowded.http_url}/v2/models/diarized_asr/infer"

    def over_http(upload: bytes) -> bytes:
        reply = httpx.post(url, content=upload, headers={"Inference-Header-Content-Length": "0"}, timeout=250)
        assert reply.is_success, reply.text
        # Behind Triton's header, and the length of the text.
        return reply.content[int(reply.headers["Inference-Header-Content-Length"]) + 4 :]

    def over_grpc(upload: bytes) -> bytes:
        audio = tritonclient.grpc.InferInput("AUDIO", [1], "BYTES")
        audio.set_data_from_numpy(np.array([upload], object))
        with tritonclient.grpc.InferenceServerClient(crowded.grpc_url.removeprefix("grpc://")) as client:
            answer: bytes = client.infer("diarized_asr", [audio], parameters=FAST).as_numpy("RESULT")[0]
        return answer

    def ask(number: int) -> float:
        upload = clips[number] if number in TALKERS else silence(SECONDS[number])
        answer = over_grpc(upload) if is_grpc(number) else over_http(upload)
        return DiarizedTranscriptionResult.model_validate_json(answer).audio.duration

    assert at_once(ask) == SECONDS


def is_grpc(number: int) -> bool:
    """Say by which protocol a caller calls: of talkers and of others, half by each."""
    return number // 4 % 2 == 1


def url_of(number: int, triton: TritonServer) -> str:
    return triton.grpc_url if is_grpc(number) else triton.http_url


def at_once(ask: Callable[[int], float]) -> list[float]:
    """Let all callers ask at once, and return the answers, to a hundredth."""
    start = Barrier(CALLERS)

    def begin(number: int) -> float:
        start.wait()
        return round(ask(number), 2)

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(begin, range(CALLERS)))


def processes(triton: TritonServer) -> set[tuple[int, str]]:
    """Return Triton and its children, one for each instance of a model: their numbers and start times."""
    running = set()
    parent = triton._process.pid
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    for process in [parent, *(int(child) for task in tasks for child in task.read_text().split())]:
        # Behind the name, which may hold anything; one that has died stays as a zombie.
        state, *fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        if state != "Z":
            running.add((process, fields[18]))
    return running
