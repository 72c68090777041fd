"""Every number format: Whisper computes in it, or it is refused before there is a server."""

from pathlib import Path

import numpy as np
import pytest
from ctranslate2 import get_supported_compute_types
from numpy.typing import NDArray

from triologue.schema import WhisperComputeType
from triologue_server.settings import Settings, WhisperSettings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.transcription.processor import WhisperProcessor
from triologue_server.transcription.whisper import WhisperCore, WindowRequest
from triologue_server.transcription.window import Hypothesis, WindowOptions
from triologue_server.triton.devices import check_compute_type
from triologue_server.triton.launch_error import LaunchError

SUPPORTED = [kind for kind in WhisperComputeType if kind.value in get_supported_compute_types("cpu")]
REFUSED = [kind for kind in WhisperComputeType if kind not in SUPPORTED]


@pytest.fixture(scope="module")
def base() -> Path:
    return ModelStore().require(resolve_whisper("base"))


def settings(kind: WhisperComputeType) -> WhisperSettings:
    return Settings(profile="embedded").whisper.model_copy(update={"compute_type": kind, "threads": 2})


@pytest.mark.parametrize("kind", SUPPORTED)
def test_whisper_hears_what_is_said(kind: WhisperComputeType, base: Path, sample: NDArray[np.int16]) -> None:
    check_compute_type(settings(kind))
    processor = WhisperProcessor(base)
    opening = processor.spectrogram(sample[: 10 * 16_000])[:]
    core = WhisperCore(base, settings(kind))
    (answer,) = core.transcribe([WindowRequest(opening, WindowOptions(language="en"))])
    assert isinstance(answer, Hypothesis)
    assert processor.tokenizer.decode(answer.tokens).startswith(" Hello")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_would_not_load(kind: WhisperComputeType, base: Path) -> None:
    with pytest.raises(
        LaunchError, match=f"^whisper.compute_type: this CPU does not compute in {kind.value};"
    ):
        check_compute_type(settings(kind))
    with pytest.raises(ValueError, match=f"Requested {kind.value} compute type, but "):
        WhisperCore(base, settings(kind))
