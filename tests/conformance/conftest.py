"""The real models, loaded once, and pyannote.audio's sample conversation."""

import os
import wave
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Idle OpenMP threads spin by default, and take the cores from the other library's.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch
from faster_whisper import WhisperModel
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation
from pyannote.database.util import load_rttm

from tests.conformance.diarizing import HOP, Heard, Networks
from tests.conformance.in_process import THREADS, Whisper
from triologue_server.diarization.embedding import EmbeddingModel
from triologue_server.diarization.pipeline import load_pipeline
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.store import ModelStore, resolve_diarization


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """Where pyannote.audio keeps its sample: 30 seconds of two people on the phone."""
    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "sample"


@pytest.fixture(scope="session")
def sample(sample_folder: Path) -> NDArray[np.int16]:
    """The sample, (samples,) at 16 kHz."""
    with wave.open(str(sample_folder / "sample.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.fixture(scope="session")
def composed(sample: NDArray[np.int16]) -> NDArray[np.int16]:
    """71 seconds: the sample, and parts of it again between silence and faint noise.

    Whisper makes text up for the silence, and is led on by what was said before.
    """
    second = 16_000
    silence, noise = np.zeros(9 * second, np.int16), np.random.default_rng(0).normal(0, 60, 7 * second)
    greeting, names = sample[8 * second : 12 * second], sample[12 * second : 24 * second]
    parts = [sample, silence[: 5 * second], greeting, greeting, noise.astype(np.int16), names, silence]
    return np.concatenate(parts)


@pytest.fixture(scope="session")
def reference(sample_folder: Path) -> Annotation:
    """Who speaks when in the sample."""
    return load_rttm(sample_folder / "sample.rttm")["sample"]


@pytest.fixture(scope="session")
def embedded() -> Path:
    """The folder of the embedded diarization models."""
    return ModelStore().require(resolve_diarization("embedded"))


@pytest.fixture(scope="session")
def pipeline(embedded: Path) -> SpeakerDiarization:
    torch.set_num_threads(THREADS)
    return load_pipeline(embedded)


@pytest.fixture(scope="session")
def segmentation(pipeline: SpeakerDiarization) -> SegmentationModel:
    return SegmentationModel(pipeline, "cpu")


@pytest.fixture(scope="session")
def embedding(pipeline: SpeakerDiarization) -> EmbeddingModel:
    return EmbeddingModel(pipeline, "cpu")


@pytest.fixture(scope="session")
def networks(segmentation: SegmentationModel, embedding: EmbeddingModel) -> Networks:
    """Both of them."""
    return Networks(segmentation, embedding)


@pytest.fixture(scope="session")
def hear_sample(networks: Networks, sample: NDArray[np.int16]) -> Callable[[int], Heard]:
    """Return what the networks say of the sample, with windows that are so many samples apart."""
    return cache(lambda hop: networks.hear(sample, hop))


@pytest.fixture(scope="session")
def heard(hear_sample: Callable[[int], Heard]) -> Heard:
    """What the networks say of the sample, with a window a second."""
    return hear_sample(HOP)


@pytest.fixture(scope="session")
def whisper() -> Whisper:
    """Whisper base, the model of the embedded profile."""
    return Whisper.load("base")


@pytest.fixture(scope="session")
def english_whisper() -> Whisper:
    """Whisper tiny.en, which knows English only."""
    return Whisper.load("tiny.en")


def _faster_whisper(whisper: Whisper) -> WhisperModel:
    return WhisperModel(str(whisper.folder), device="cpu", compute_type="int8", cpu_threads=THREADS)


@pytest.fixture(scope="session")
def faster_whisper(whisper: Whisper) -> WhisperModel:
    """Whisper base as faster-whisper runs it."""
    return _faster_whisper(whisper)


@pytest.fixture(scope="session")
def english_faster_whisper(english_whisper: Whisper) -> WhisperModel:
    """Whisper tiny.en as faster-whisper runs it."""
    return _faster_whisper(english_whisper)
