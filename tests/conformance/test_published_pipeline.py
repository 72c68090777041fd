"""Pipelines in pyannote's own format, as those on Hugging Face are, load from their folder alone."""

import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding import WeSpeakerResNet34

from triologue_server.diarization.embedding import EmbeddingModel, SpeakersOfSpan
from triologue_server.diarization.pipeline import load_pipeline
from triologue_server.diarization.spans import FRAMES, SPEAKERS, WINDOWS, AudioOfSpan
from triologue_server.store import ModelStore, resolve_diarization

# What speaker-diarization-3.1 says of itself.
CONFIG = {
    "version": "3.1.0",
    "pipeline": {
        "name": "pyannote.audio.pipelines.SpeakerDiarization",
        "params": {
            "clustering": "AgglomerativeClustering",
            "embedding": "pyannote/wespeaker-voxceleb-resnet34-LM",
            "embedding_batch_size": 32,
            "embedding_exclude_overlap": True,
            "segmentation": "pyannote/segmentation-3.0",
            "segmentation_batch_size": 32,
        },
    },
    "params": {
        "clustering": {"method": "centroid", "min_cluster_size": 12, "threshold": 0.7045654963945799},
        "segmentation": {"min_duration_off": 0.0},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like speaker-diarization-3.1, its embedding network untrained."""
    folder = tmp_path_factory.mktemp("speaker-diarization")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "segmentation").mkdir()
    embedded = ModelStore().require(resolve_diarization("embedded"))
    shutil.copy(embedded / "segmentation.bin", folder / "segmentation" / "pytorch_model.bin")
    (folder / "embedding").mkdir()
    network = WeSpeakerResNet34()
    checkpoint = {
        "state_dict": network.state_dict(),
        "hyper_parameters": dict(network.hparams),
        "pytorch-lightning_version": version("lightning"),
        "pyannote.audio": {
            "versions": {"torch": torch.__version__, "pyannote.audio": version("pyannote.audio")},
            "architecture": {"module": WeSpeakerResNet34.__module__, "class": "WeSpeakerResNet34"},
            "specifications": Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=10.0),
        },
    }
    torch.save(checkpoint, folder / "embedding" / "pytorch_model.bin")
    return folder


def test_the_pipeline_keeps_its_own_parameters(folder: Path) -> None:
    pipeline = load_pipeline(folder)
    assert pipeline.parameters(instantiated=True)["clustering"]["threshold"] == 0.7045654963945799
    assert pipeline.embedding_exclude_overlap


def test_its_trunk_runs_once_for_a_span(folder: Path) -> None:
    model = EmbeddingModel(load_pipeline(folder), "cpu")
    noise = np.random.default_rng(0).integers(-3_000, 3_000, 12 * 16_000).astype(np.int16)
    activity = np.zeros((WINDOWS, FRAMES, SPEAKERS), np.uint8)
    activity[:3, 100:400, 0] = 1
    (embeddings,) = model.embed([SpeakersOfSpan(AudioOfSpan(noise, 16_000), activity)])
    assert embeddings.shape == (WINDOWS, SPEAKERS, 256)
    np.testing.assert_array_equal(np.isfinite(embeddings[..., 0]), activity.any(axis=1))


def test_another_kind_of_folder_is_refused(tmp_path: Path) -> None:
    config = {
        "pipeline": {
            "name": "pyannote.audio.pipelines.VoiceActivityDetection",
            "params": {
                "segmentation": str(
                    ModelStore().require(resolve_diarization("embedded")) / "segmentation.bin"
                )
            },
        }
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match="is not a pyannote speaker diarization pipeline"):
        load_pipeline(tmp_path)
