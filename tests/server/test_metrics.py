"""What the conductor tells Prometheus: each recording once, and what became of it."""

from pathlib import Path

import httpx
import pytest

from tests.server.metrics import value, wait_for_recordings
from triologue import Client, InvalidAudio
from triologue_server.triton.server import TritonServer

PIPELINE = {"pipeline": "diarized_asr"}
CORES = ("whisper", "pyannote_segmentation", "speaker_embedding")
STAGES = ("decoding", "segmentation", "embedding", "clustering", "transcription", "attribution")


@pytest.mark.parametrize("over", ["http", "grpc"])
def test_an_answer_is_counted(over: str, triton: TritonServer, sample: Path) -> None:
    def told(name: str, **labels: str) -> float:
        return value(triton, name, **labels)

    def totals() -> dict[str, float]:
        totals = {
            name: told(f"triologue_{name}", **PIPELINE)
            for name in ("audio_seconds_sum", "audio_seconds_count", "rtfx_sum", "processing_seconds_sum")
        }
        totals |= {stage: told("triologue_stage_seconds_sum", stage=stage) for stage in STAGES}
        for core in CORES:
            totals[core] = told("triologue_core_wait_seconds_count", core=core)
        for name in ("speakers_sum", "speakers_count", "queue_seconds_count", "windows_total"):
            totals[name] = told(f"triologue_{name}")
        return totals

    before = totals()
    with Client(triton.http_url if over == "http" else triton.grpc_url) as client:
        result = client.transcribe_diarized(sample)
    wait_for_recordings(triton, 0)
    grown = {name: total - before[name] for name, total in totals().items()}
    assert grown["audio_seconds_count"] == grown["speakers_count"] == grown["queue_seconds_count"] == 1
    assert grown["audio_seconds_sum"] == pytest.approx(result.audio.duration)
    assert grown["rtfx_sum"] == pytest.approx(result.processing.rtfx)
    assert grown["processing_seconds_sum"] == pytest.approx(result.processing.seconds)
    assert grown["speakers_sum"] == len(result.speakers) == 2
    assert grown["windows_total"] == grown["whisper"] >= 1
    assert min(grown["pyannote_segmentation"], grown["speaker_embedding"]) >= 1
    assert set(result.processing.stages) == set(STAGES)
    for stage, seconds in result.processing.stages.items():
        assert grown[stage] == pytest.approx(seconds, abs=1e-6)
        assert 0.0 <= seconds <= result.processing.seconds
    assert told("triologue_recordings_waiting") == 0


def test_a_unary_call_is_one_recording(triton: TritonServer, sample: Path) -> None:
    def answered() -> float:
        return value(triton, "triologue_audio_seconds_count", pipeline="transcription")

    before = answered()
    reply = httpx.post(
        f"{triton.http_url}/v2/models/transcription/infer",
        content=sample.read_bytes(),
        headers={"Inference-Header-Content-Length": "0"},
        timeout=60,
    )
    assert reply.is_success
    wait_for_recordings(triton, 0)
    assert answered() == before + 1


def test_windows_that_are_decoded_again_are_counted(triton: TritonServer, sample: Path) -> None:
    before = value(triton, "triologue_fallback_windows_total")
    with Client(triton.http_url) as client:
        client.transcribe(sample, temperature=(0.0, 0.2), log_prob_threshold=0.0, no_speech_threshold=None)
        assert value(triton, "triologue_fallback_windows_total") > before
        before = value(triton, "triologue_fallback_windows_total")
        client.transcribe(sample, temperature=0.0)
    assert value(triton, "triologue_fallback_windows_total") == before


def test_an_error_is_counted_by_its_code(triton: TritonServer) -> None:
    def errors() -> dict[str, float]:
        codes = "INVALID_AUDIO", "INVALID_OPTION", "INTERNAL"
        return {code: value(triton, "triologue_errors_total", code=code) for code in codes}

    before = errors()
    with Client(triton.grpc_url) as client, pytest.raises(InvalidAudio):
        client.transcribe(b"no recording")
    url = f"{triton.http_url}/v2/models/diarized_asr_stream/generate"
    assert "beam_size" in httpx.post(url, json={"AUDIO": "", "beam_size": 0}).text
    grown = {code: number - before[code] for code, number in errors().items()}
    assert grown == {"INVALID_AUDIO": 1, "INVALID_OPTION": 1, "INTERNAL": 0}
