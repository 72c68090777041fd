"""Many requests at once: each asks the cores for what it needs, and nothing breaks."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np

from benchmarks.speech import wav
from tests.full import full, full_over
from tests.server.metrics import counts
from tests.server.recordings import silence
from triologue import Client, ServerOverloaded
from triologue_server.audio import decode_audio
from triologue_server.triton.server import TritonServer

CALLS = {"whisper": 1, "pyannote_segmentation": 1, "speaker_embedding": 2}
"""What a recording of 30 s asks of the cores; voices are heard in its span, and in its phrases."""
REQUESTS = 8


def test_eight_concurrent_requests_share_the_cores(triton: TritonServer, sample: Path) -> None:
    before = counts(triton, "nv_inference_request_success")

    def transcribe(_: int) -> str:
        with Client(triton.grpc_url) as client:
            return client.transcribe_diarized(sample).text

    with ThreadPoolExecutor(REQUESTS) as pool:
        texts = set(pool.map(transcribe, range(REQUESTS)))

    assert len(texts) == 1
    served = counts(triton, "nv_inference_request_success") - before
    assert served["diarized_asr_stream"] == REQUESTS
    for core, calls in CALLS.items():
        assert served[core] == calls * REQUESTS


def test_a_short_recording_does_not_wait_for_all_of_a_long_one(triton: TritonServer, sample: Path) -> None:
    conversation = decode_audio(sample.read_bytes(), max_seconds=60).samples
    minutes = wav(np.tile(conversation, 5))
    answered = []

    def transcribe(name: str, recording: bytes | Path) -> None:
        with Client(triton.grpc_url) as client:
            client.transcribe_diarized(recording, language="en", temperature=0.0)
        answered.append(name)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(transcribe, "long", minutes)
        time.sleep(1)  # by then it has as much under way as it may
        pool.submit(transcribe, "short", sample)

    assert answered == ["short", "long"]


@full_over("client_url", "http", always="grpc")
def test_what_does_not_fit_the_queue_is_refused_and_the_rest_is_answered(
    client_url: str, sample: Path
) -> None:
    fit = 12  # the conductor works on eight, four may wait

    def diarize(_: int) -> str:
        with Client(client_url, retries=0) as client:
            try:
                return ",".join(client.diarize(sample).speakers)
            except ServerOverloaded:
                return "overloaded"

    with ThreadPoolExecutor(2 * fit) as pool:
        answers = Counter(pool.map(diarize, range(2 * fit)))

    assert answers.keys() == {"SPEAKER_00,SPEAKER_01", "overloaded"}
    assert answers["SPEAKER_00,SPEAKER_01"] >= fit


@full_over("client_url", "http", always="grpc")
def test_what_was_refused_is_answered_when_it_comes_again(client_url: str, sample: Path) -> None:
    def diarize(_: int) -> str:
        with Client(client_url, retries=20) as client:
            return ",".join(client.diarize(sample).speakers)

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(diarize, range(20))) == {"SPEAKER_00,SPEAKER_01"}


def test_a_unary_model_has_a_queue_of_its_own(triton: TritonServer, sample: Path) -> None:
    fit = 4  # two are served, two may wait

    def diarize(_: int) -> str:
        reply = httpx.post(
            f"{triton.http_url}/v2/models/diarization/infer",
            content=sample.read_bytes(),
            headers={"Inference-Header-Content-Length": "0"},
            timeout=120,
        )
        return "answered" if reply.is_success else str(reply.json()["error"])

    with ThreadPoolExecutor(2 * fit) as pool:
        answers = Counter(pool.map(diarize, range(2 * fit)))

    assert answers["answered"] >= fit
    refused = next(text for text in answers if text != "answered")
    assert "Exceeds maximum queue size" in refused


@full
def test_a_stream_of_requests_leaves_every_process_alive(triton: TritonServer) -> None:
    upload = silence(1)

    def language(_: int) -> str:
        with Client(triton.http_url) as client:
            return client.transcribe_diarized(upload).transcription_info.language

    with ThreadPoolExecutor(REQUESTS) as pool:
        assert Counter(pool.map(language, range(160))) == {"silence": 160}
