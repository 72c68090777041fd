"""Bad input: a clear error at once, and a server that is none the worse for it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from tests.server.recordings import silence, silent_film, wav
from triologue import Client, InvalidAudio, PayloadTooLarge, TriologueError
from triologue_server.triton.server import TritonServer

BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty body": (lambda sample: b"", "the upload is empty"),
    "text file": (lambda sample: b"Who said what, and when?\n" * 50, "not a media file"),
    "noise": (lambda sample: np.random.default_rng(5).bytes(5_000), "not a media file"),
    "truncated file": (lambda sample: sample[: len(sample) // 2], "the upload is truncated"),
    "header alone": (lambda sample: sample[:44], "not a media file"),
    "no audio stream": (lambda sample: silent_film(), "no audio stream, only video"),
    "zero-length audio": (lambda sample: wav(np.zeros(0, np.int16)), "holds no samples"),
}

OPTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown": ("diarized_asr", {"beam_sise": 5}, "beam_sise: no such option"),
    "of another model": ("diarization", {"beam_size": 5}, "beam_size: no such option"),
    "too small": ("transcription", {"beam_size": 0}, "beam_size: input should be greater than or equal to 1"),
    "too large": ("diarized_asr", {"max_speakers": 1_000}, "max_speakers: input should be less than"),
    "no number": ("transcription", {"beam_size": "many"}, "beam_size: input should be a valid integer"),
    "no language": ("transcription", {"language": "english"}, "language: 'english' is not a language code"),
    "no temperature": ("transcription", {"temperature": "[0.0, 2.0]"}, "temperature: give one temperature"),
    "no task": ("transcription", {"task": "summarize"}, "task: input should be"),
    "contradiction": ("diarization", {"min_speakers": 3, "max_speakers": 2}, "min_speakers: 3 is above"),
    "short step": ("diarization", {"segmentation_step": 0.049}, "segmentation_step: input should be greater"),
    "long step": ("diarized_asr", {"segmentation_step": 1.01}, "segmentation_step: input should be less"),
    "no threshold": ("diarization", {"clustering_threshold": 0}, "clustering_threshold: input should be"),
    "negative pause": (
        "diarization",
        {"min_duration_off": -0.1},
        "min_duration_off: input should be greater",
    ),
    "no list of speakers": ("diarization", {"known_speakers": "Ann"}, "known_speakers: input should be"),
    "speaker without a voice": (
        "diarization",
        {"known_speakers": '[{"name": "Ann"}]'},
        "known_speakers.0: give",
    ),
    "speaker of a transcription": (
        "transcription",
        {"known_speakers": "[]"},
        "known_speakers: no such option",
    ),
}


@pytest.fixture(autouse=True)
def healthy_after(triton: TritonServer) -> Any:
    yield
    with Client(triton.http_url) as client:
        assert all(client.server_info().models.values())
        assert client.transcribe(silence(1)).transcription_info.language == "silence"


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("call", ["transcribe", "diarize", "transcribe_diarized"])
def test_a_broken_recording_is_refused(client: Client, sample: Path, case: str, call: str) -> None:
    make, message = BROKEN[case]
    upload = make(sample.read_bytes())
    with pytest.raises(InvalidAudio, match=message):
        getattr(client, call)(io.BytesIO(upload))


@pytest.mark.parametrize("case", OPTIONS)
def test_a_bad_option_is_refused_by_the_server(triton: TritonServer, case: str) -> None:
    # Straight to Triton: the client would refuse it before it is sent.
    model, options, message = OPTIONS[case]
    reply = httpx.post(f"{triton.http_url}/v2/models/{model}/generate", json={"AUDIO": "x", **options})
    assert reply.status_code == 400
    assert reply.json()["error"].startswith(f"INVALID_OPTION: {message}")


def test_an_option_refused_over_grpc_is_an_invalid_argument(triton: TritonServer) -> None:
    audio = tritonclient.grpc.InferInput("AUDIO", [1], "BYTES")
    audio.set_data_from_numpy(np.array([b"x"], object))
    with (
        tritonclient.grpc.InferenceServerClient(triton.grpc_url.removeprefix("grpc://")) as grpc,
        pytest.raises(InferenceServerException) as refused,
    ):
        grpc.infer("transcription", [audio], parameters={"beam_size": 0})
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
    error = TriologueError.from_wire(refused.value.message())
    assert error is not None
    assert error.message.startswith("beam_size: ")


def test_a_model_that_does_not_exist(triton: TritonServer) -> None:
    reply = httpx.post(f"{triton.http_url}/v2/models/diarised_asr/infer", json={"inputs": []})
    assert reply.status_code == 404
    assert "unknown model: 'diarised_asr'" in reply.json()["error"]


def test_an_upload_of_too_many_bytes(client: Client) -> None:
    with pytest.raises(PayloadTooLarge, match="8000001 bytes are more than the 8000000 this server takes"):
        client.transcribe(bytes(8_000_001))


def test_a_recording_of_too_many_seconds(client: Client) -> None:
    with pytest.raises(PayloadTooLarge, match="longer than the 180 s this server takes"):
        client.transcribe(silence(180.1))
