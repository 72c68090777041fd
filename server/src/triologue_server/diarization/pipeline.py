"""pyannote's speaker diarization pipeline: loading it, and what it must be like."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pyannote.audio import Model, Pipeline
from pyannote.audio.core.plda import PLDA
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.pipelines import SpeakerDiarization
from torch.serialization import add_safe_globals
from torch.torch_version import TorchVersion

from triologue_server.audio import SAMPLE_RATE
from triologue_server.diarization.campplus import CAMPPlus
from triologue_server.diarization.spans import (
    FRAME_SAMPLES,
    FRAME_STEP_SAMPLES,
    FRAMES,
    SPEAKERS,
    WINDOW_SECONDS,
)
from triologue_server.loading import loading

SEGMENTATION_FILE = "segmentation.bin"
EMBEDDING_FILE = "campplus.pt"

_VBX = "VBxClustering"

# pyannote's own. The threshold is in the middle of the range in which simulated conversations fare best.
_EMBEDDED_PARAMETERS: Mapping[str, Any] = {
    "segmentation": {"min_duration_off": 0.0},
    "clustering": {"method": "centroid", "min_cluster_size": 12, "threshold": 0.7},
}

# pyannote leaves a voice out of clustering that speaks alone for less than a fifth of a window. In recordings
# of half a minute that is too often the only one a speaker has. docs/benchmarks.md tells how it was tuned.
_EMBEDDED_MIN_ACTIVE_RATIO = 0.15


# Checkpoints of pyannote's hold these beside tensors, and nothing else may be made of a file.
add_safe_globals([TorchVersion, Problem, Resolution, Specifications])


class _UnusedPLDA(PLDA):
    """Stands where the pipeline insists on a PLDA, which agglomerative clustering never asks."""

    def __init__(self) -> None:
        pass


def load_pipeline(folder: Path) -> SpeakerDiarization:
    """Load a speaker diarization pipeline with its weights.

    Args:
        folder: The embedded models, or a pyannote pipeline: `config.yaml`, and subfolders with its models.

    Raises:
        ModelNotLoaded: A file is damaged.
        ValueError: The pipeline is no speaker diarization, or its windows are not those of `spans`.
    """
    embedded = (folder / EMBEDDING_FILE).is_file()
    pipeline = _embedded_pipeline(folder) if embedded else _published_pipeline(folder)
    if not isinstance(pipeline, SpeakerDiarization):
        raise ValueError(f"{folder} is not a pyannote speaker diarization pipeline")
    _check_geometry(pipeline, folder)
    return pipeline


def _published_pipeline(folder: Path) -> Pipeline:
    """Load a pipeline in pyannote's own format from what lies in its folder, without asking Hugging Face."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    parameters = config["pipeline"]["params"]
    for part in ("segmentation", "embedding", "plda"):
        if (folder / part).is_dir():
            parameters[part] = str(folder / part)
    if parameters.get("clustering", _VBX) != _VBX:
        parameters["plda"] = _UnusedPLDA()
    return Pipeline.from_pretrained(config)


def _embedded_pipeline(folder: Path) -> SpeakerDiarization:
    with loading(str(folder / SEGMENTATION_FILE)):
        segmentation = Model.from_pretrained(folder / SEGMENTATION_FILE)
    with loading(str(folder / EMBEDDING_FILE)):
        embedding = CAMPPlus.from_state_dict(folder / EMBEDDING_FILE)
    pipeline = SpeakerDiarization(
        segmentation=segmentation,
        embedding=embedding,
        embedding_exclude_overlap=True,
        clustering="AgglomerativeClustering",
        plda=_UnusedPLDA(),
    )
    pipeline.instantiate(_EMBEDDED_PARAMETERS)
    # Known to the clustering here alone: pyannote's own call never asks for it.
    pipeline.clustering.min_active_ratio = _EMBEDDED_MIN_ACTIVE_RATIO
    return pipeline


def _check_geometry(pipeline: SpeakerDiarization, folder: Path) -> None:
    """Refuse a segmentation network whose output does not have the shape the Triton models declare."""
    inference = pipeline._segmentation
    window = inference.model.audio.get_num_samples(inference.duration)
    specifications = inference.model.specifications
    field = inference.model.receptive_field
    found = (
        inference.duration,
        inference.model.num_frames(window),
        round(field.step * SAMPLE_RATE),
        round(field.duration * SAMPLE_RATE),
        len(specifications.classes),
        specifications.powerset,
    )
    expected = (WINDOW_SECONDS, FRAMES, FRAME_STEP_SAMPLES, FRAME_SAMPLES, SPEAKERS, True)
    if found != expected:
        raise ValueError(
            f"{folder}: windows of (seconds, frames, step, length, speakers, powerset) {found} are not "
            f"supported, only {expected}"
        )


def without_weights(pipeline: SpeakerDiarization) -> SpeakerDiarization:
    """Free the networks' weights, for a process that runs the rest of the pipeline alone."""
    pipeline._segmentation.model.to("meta")
    pipeline._embedding.model_.to("meta")
    return pipeline
