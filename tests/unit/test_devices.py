"""What this machine cannot compute is told before Triton starts."""

import os
import re

import pytest
from ctranslate2 import get_supported_compute_types

from triologue.schema import WhisperComputeType
from triologue_server.settings import Settings
from triologue_server.triton.devices import check_devices, check_gpus
from triologue_server.triton.launch_error import LaunchError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TRIOLOGUE_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("kind", WhisperComputeType)
def test_a_number_format_is_one_of_the_cpus_or_refused(kind: WhisperComputeType) -> None:
    settings = Settings(whisper={"compute_type": kind})
    supported = sorted(get_supported_compute_types("cpu"))
    if kind.value in supported:
        check_devices(settings, {"whisper"})
        return
    message = (
        f"whisper.compute_type: this CPU does not compute in {kind.value}; it does in {', '.join(supported)}"
    )
    with pytest.raises(LaunchError, match=f"^{re.escape(message)}$"):
        check_devices(settings, {"whisper"})


def test_the_default_and_two_others_run_on_every_cpu() -> None:
    assert {"int8", "int8_float32", "float32"} <= get_supported_compute_types("cpu")


def test_a_model_that_is_not_served_may_be_set_up_as_it_likes() -> None:
    settings = Settings(profile="gpu", whisper={"compute_type": "int16", "gpus": [63]})
    check_devices(settings, {"diarized_asr_stream"})


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("whisper", "whisper"),
        ("pyannote_segmentation", "diarization.segmentation"),
        ("speaker_embedding", "diarization.embedding"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused(name: str, key: str) -> None:
    far = {"gpus": [10_000]}
    settings = Settings(profile="gpu", whisper=far, diarization={"segmentation": far, "embedding": far})
    with pytest.raises(LaunchError, match=rf"^({key}\.gpus|{key.split('.')[0]}\.device): there is no "):
        check_devices(settings, {name})


@pytest.mark.parametrize(
    ("gpus", "count", "message"),
    [
        ((0,), 0, "diarization.device: there is no CUDA GPU here, or its driver is missing or too old"),
        ((1,), 1, "diarization.embedding.gpus: there is no GPU 1 here, only GPU 0"),
        ((0, 7), 4, "diarization.embedding.gpus: there is no GPU 7 here, only GPUs 0 to 3"),
    ],
)
def test_gpus_that_are_not_there_are_named(gpus: tuple[int, ...], count: int, message: str) -> None:
    with pytest.raises(LaunchError, match=f"^{re.escape(message)}$"):
        check_gpus("diarization.embedding", gpus, count)


def test_gpus_that_are_there_are_taken() -> None:
    check_gpus("whisper", (3, 0), 4)
