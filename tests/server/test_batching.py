"""Many requests at once: they share executions of the cores, by Triton's own count, and nothing breaks."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.recordings import silence
from triologue import Client, DeadlineExceeded, ServerOverloaded
from triologue_server.triton.metrics import IN_FLIGHT
from triologue_server.triton.server import TritonServer

CALLS = {"whisper": 1, "pyannote_segmentation": 1, "speaker_embedding": 2}
"""What a recording of 30 s asks of the cores; voices are heard in its span, and in its phrases."""
REQUESTS = 8


def counts(triton: TritonServer, metric: str) -> Counter[str]:
    text = httpx.get(triton.metrics_url).text
    return Counter(
        {
            found.labels.get("model", ""): int(found.value)
            for family in text_string_to_metric_families(text)
            for found in family.samples
            if found.name.removesuffix("_total") == metric
        }
    )


def test_eight_concurrent_requests_share_the_cores(triton: TritonServer, sample: Path) -> None:
    requests, executions = "nv_inference_request_success", "nv_inference_exec_count"
    before = counts(triton, requests), counts(triton, executions)

    def transcribe(_: int) -> str:
        with Client(triton.grpc_url) as client:
            return client.transcribe_diarized(sample).text

    with ThreadPoolExecutor(REQUESTS) as pool:
        texts = set(pool.map(transcribe, range(REQUESTS)))

    assert len(texts) == 1
    served, executed = counts(triton, requests) - before[0], counts(triton, executions) - before[1]
    assert served["diarized_asr_stream"] == REQUESTS
    for core, calls in CALLS.items():
        assert served[core] == calls * REQUESTS
        # How many share one depends on how far apart they come: Whisper's windows follow segmentation.
        assert executed[core] <= calls * REQUESTS - 2


def test_windows_that_slide_share_the_core_too(triton: TritonServer, sample: Path) -> None:
    requests, executions = "nv_inference_request_success", "nv_inference_exec_count"
    before = counts(triton, requests)["whisper"], counts(triton, executions)["whisper"]

    def transcribe(_: int) -> str:
        with Client(triton.grpc_url) as client:
            return client.transcribe(sample, mode="sequential", vad_filter=False, temperature=0.0).text

    with ThreadPoolExecutor(4) as pool:
        texts = set(pool.map(transcribe, range(4)))

    assert len(texts) == 1
    served = counts(triton, requests)["whisper"] - before[0]
    # Each recording has several windows, one after the other.
    assert served >= 4 * 2
    assert counts(triton, executions)["whisper"] - before[1] <= served // 2


@pytest.mark.parametrize(
    ("scheme", "fit"),
    [
        ("http", 4),  # two are served by the unary model, two may wait
        ("grpc", 12),  # the conductor works on eight, four may wait
    ],
)
def test_what_does_not_fit_the_queue_is_refused_and_the_rest_is_answered(
    scheme: str, fit: int, triton: TritonServer, sample: Path
) -> None:
    url = triton.http_url if scheme == "http" else triton.grpc_url

    def diarize(_: int) -> str:
        with Client(url) as client:
            try:
                return ",".join(client.diarize(sample).speakers)
            except ServerOverloaded:
                return "overloaded"

    with ThreadPoolExecutor(2 * fit) as pool:
        answers = Counter(pool.map(diarize, range(2 * fit)))

    assert answers.keys() == {"SPEAKER_00,SPEAKER_01", "overloaded"}
    assert answers["SPEAKER_00,SPEAKER_01"] >= fit


def test_a_caller_who_gives_up_takes_no_further_work(triton: TritonServer) -> None:
    spans = Counter[str]()
    upload = silence(150)
    for timeout_s in (1.0, 120.0):
        before = counts(triton, "nv_inference_request_success")
        with Client(triton.grpc_url, timeout_s=timeout_s) as client, suppress(DeadlineExceeded):
            client.diarize(upload)
        until = time.monotonic() + 20
        while counts(triton, IN_FLIGHT)[""] and time.monotonic() < until:
            time.sleep(0.05)
        assert counts(triton, IN_FLIGHT)[""] == 0
        found = counts(triton, "nv_inference_request_success") - before
        spans[f"{timeout_s:g} s"] = found["pyannote_segmentation"]
    assert 0 < spans["1 s"] < spans["120 s"]


def test_a_stream_of_requests_leaves_every_process_alive(triton: TritonServer) -> None:
    upload = silence(1)

    def language(_: int) -> str:
        with Client(triton.http_url) as client:
            return client.transcribe_diarized(upload).transcription_info.language

    with ThreadPoolExecutor(REQUESTS) as pool:
        assert Counter(pool.map(language, range(160))) == {"silence": 160}
