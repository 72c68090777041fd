"""pyannote's speaker diarization pipeline: loading it, and running all of it but the two networks."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pyannote.audio import Model, Pipeline
from pyannote.audio.core.plda import PLDA
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.audio.pipelines.clustering import BaseClustering
from pyannote.core import Annotation, SlidingWindow, SlidingWindowFeature

from triologue.schema import PyannoteSpeakerDiarizationParams, SpeakerDiarizationSegment, TimeInterval
from triologue_server.diarization.campplus import CAMPPlus
from triologue_server.diarization.spans import (
    FRAMES,
    HOP_SECONDS,
    SPEAKERS,
    WINDOW_SECONDS,
)

SEGMENTATION_FILE = "segmentation.bin"
EMBEDDING_FILE = "campplus.pt"

_VBX = "VBxClustering"

# Tuned on pyannote's sample conversation and the AMI clips in pyannote.audio's own tests.
_EMBEDDED_PARAMETERS: Mapping[str, Any] = {
    "segmentation": {"min_duration_off": 0.0},
    "clustering": {"method": "centroid", "min_cluster_size": 12, "threshold": 0.7},
}


class _UnusedPLDA(PLDA):
    """Stands where the pipeline insists on a PLDA, which agglomerative clustering never asks."""

    def __init__(self) -> None:
        pass


def load_pipeline(folder: Path) -> SpeakerDiarization:
    """Load a speaker diarization pipeline with its weights.

    Args:
        folder: The embedded models, or a pyannote pipeline: `config.yaml`, and subfolders with its models.

    Raises:
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
    pipeline = SpeakerDiarization(
        segmentation=Model.from_pretrained(folder / SEGMENTATION_FILE),
        embedding=CAMPPlus.from_state_dict(folder / EMBEDDING_FILE),
        embedding_exclude_overlap=True,
        clustering="AgglomerativeClustering",
        plda=_UnusedPLDA(),
    )
    return pipeline.instantiate(_EMBEDDED_PARAMETERS)


def _check_geometry(pipeline: SpeakerDiarization, folder: Path) -> None:
    """Refuse a segmentation network whose output does not have the shape the Triton models declare."""
    inference = pipeline._segmentation
    window = inference.model.audio.get_num_samples(inference.duration)
    specifications = inference.model.specifications
    found = (
        inference.duration,
        inference.step,
        inference.model.num_frames(window),
        len(specifications.classes),
        specifications.powerset,
    )
    expected = (WINDOW_SECONDS, HOP_SECONDS, FRAMES, SPEAKERS, True)
    if found != expected:
        raise ValueError(
            f"{folder}: windows of (seconds, hop, frames, speakers, powerset) {found} are not supported, "
            f"only {expected}"
        )


def without_weights(pipeline: SpeakerDiarization) -> SpeakerDiarization:
    """Free the networks' weights, for a process that runs the rest of the pipeline alone."""
    pipeline._segmentation.model.to("meta")
    pipeline._embedding.model_.to("meta")
    return pipeline


def speaker_turns(
    pipeline: SpeakerDiarization,
    activity: NDArray[np.uint8],
    embeddings: NDArray[np.float32],
    options: PyannoteSpeakerDiarizationParams,
    duration: float,
) -> tuple[list[SpeakerDiarizationSegment], list[str]]:
    """Cluster and reconstruct, by pyannote's own code, from what the two networks said.

    Args:
        pipeline: From `load_pipeline`; safe to use from several threads.
        activity: (windows, frames, speakers), 0 or 1.
        embeddings: (windows, speakers, dimension); not a number where a speaker is not active.
        options: Bounds on the number of speakers.
        duration: Length of the recording in seconds; turns end there.

    Returns:
        The turns in order of time, labelled by order of first appearance; and warnings for the caller.
    """
    if not activity.any():
        return [], []
    window = SlidingWindow(duration=WINDOW_SECONDS, step=HOP_SECONDS, start=0.0)
    request = copy.copy(pipeline)
    request.clustering = _bounded(pipeline.clustering)
    request.get_segmentations = lambda file, hook=None: SlidingWindowFeature(
        activity.astype(np.float32), window
    )
    request.get_embeddings = lambda file, binary, exclude_overlap=False, hook=None: embeddings
    output = request.apply({"uri": None}, **options.model_dump(include=_BOUNDS))
    turns = _by_first_appearance(output.speaker_diarization, duration)
    return turns, _unmet_bounds(len({turn.speaker for turn in turns}), options)


_BOUNDS = set(PyannoteSpeakerDiarizationParams.model_fields)

# Clustering compares each embedding with each other: these take a quarter of a gigabyte. An hour of talk
# between two has fewer.
_MAX_CLUSTERED = 8_000


def _bounded(clustering: BaseClustering) -> BaseClustering:
    """Let a clustering form its clusters from an even choice of embeddings when there are very many.

    The others are assigned to the nearest cluster, as pyannote does with those it leaves out itself.
    """
    bounded = copy.copy(clustering)

    def filter_embeddings(*arguments: Any, **options: Any) -> tuple[NDArray[Any], ...]:
        found = clustering.filter_embeddings(*arguments, **options)  # embeddings, windows, speakers
        if len(found[0]) <= _MAX_CLUSTERED:
            return found
        chosen = np.linspace(0, len(found[0]) - 1, _MAX_CLUSTERED).round().astype(int)
        return tuple(part[chosen] for part in found)

    bounded.filter_embeddings = filter_embeddings
    return bounded


def _by_first_appearance(annotation: Annotation, duration: float) -> list[SpeakerDiarizationSegment]:
    labels: dict[str, str] = {}
    turns = []
    for turn, _, label in annotation.itertracks(yield_label=True):
        start, end = max(0.0, round(turn.start, 3)), min(round(turn.end, 3), duration)
        if start < end:
            speaker = labels.setdefault(label, f"SPEAKER_{len(labels):02d}")
            interval = TimeInterval(start=start, end=end)
            turns.append(SpeakerDiarizationSegment(time_interval=interval, speaker=speaker))
    return turns


def _unmet_bounds(found: int, options: PyannoteSpeakerDiarizationParams) -> list[str]:
    low = options.num_speakers or options.min_speakers
    high = options.num_speakers or options.max_speakers
    if (low or 0) <= found <= (high or found):
        return []
    if low == high:
        wanted = f"exactly {low}"
    elif low and high:
        wanted = f"from {low} to {high}"
    else:
        wanted = f"at least {low}" if low else f"at most {high}"
    return [f"{wanted} speakers were asked for, but {found} could be told apart"]
