"""Telling the voices of a recording apart, by the clustering of the pipeline.

pyannote compares every embedding with every other, which takes hours of audio to the square. Here clusters
are formed from a bounded, even choice of the embeddings, and all of them are then assigned to the nearest
cluster, as pyannote itself does with those that it leaves out. Neighbouring windows share nearly all of their
audio, so nothing goes unheard: of eight hours, the choice still has a voice for about every second of speech.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.audio.pipelines.clustering import BaseClustering
from pyannote.core import SlidingWindow, SlidingWindowFeature

from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.audio import SAMPLE_RATE
from triologue_server.diarization.spans import WINDOW_SAMPLES, WINDOW_SECONDS

MOST_CLUSTERED = 4_000
"""Embeddings that clusters are formed from at most: 64 MB of distances, and a second of one core."""

NOBODY = -1
"""Stands for a speaker who is not active, among indices of clusters."""

_DEFAULT_HOP = WINDOW_SAMPLES // 10
_SMALLEST_CLUSTER = 6  # of a choice of embeddings: what sounds unlike all others once or twice is no speaker


@dataclass(frozen=True)
class Voices:
    """The voices of a recording."""

    speakers: NDArray[np.int64]
    """(windows, `SPEAKERS`): which voice each speaker of each window has, or `NOBODY`."""
    centroids: NDArray[np.float32]
    """(voices, dimension): the mean of each voice's embeddings."""


def tell_apart(
    pipeline: SpeakerDiarization,
    activity: NDArray[np.uint8],
    embeddings: NDArray[np.float32],
    hop: int,
    options: PyannoteSpeakerDiarizationParams,
) -> Voices:
    """Cluster the embeddings of a recording.

    Args:
        pipeline: From `load_pipeline`; safe to use from several threads.
        activity: (windows, frames, speakers), 0 or 1; not zero everywhere.
        embeddings: (windows, speakers, dimension); not a number where a speaker is not active.
        hop: From one window to the next, in samples.
        options: Bounds on the number of speakers, and how far apart their voices are.
    """
    exact, low, high = pipeline.set_num_speakers(
        options.num_speakers, options.min_speakers, options.max_speakers
    )
    clusters, _, centroids = _bounded(pipeline.clustering, hop, options.clustering_threshold)(
        embeddings=embeddings,
        segmentations=SlidingWindowFeature(
            activity, SlidingWindow(duration=WINDOW_SECONDS, step=hop / SAMPLE_RATE, start=0.0)
        ),
        num_clusters=exact,
        min_clusters=low,
        max_clusters=high,
    )
    # VBx leaves an active speaker without a cluster when all are taken by others of the window.
    speakers = np.where(activity.any(axis=1) & (clusters >= 0), clusters.astype(np.int64), NOBODY)
    return Voices(speakers, centroids)


def _bounded(clustering: BaseClustering, hop: int, threshold: float | None) -> BaseClustering:
    """Return a clustering for one recording."""
    bounded = copy.copy(clustering)
    # pyannote keeps parameters in here, and a copy would share them with every other recording.
    bounded.__dict__["_instantiated"] = dict(clustering._instantiated)
    if threshold is not None:
        bounded.threshold = threshold
    if hasattr(clustering, "min_cluster_size"):
        # It counts windows, and stands for seconds.
        bounded.min_cluster_size = max(1, round(clustering.min_cluster_size * _DEFAULT_HOP / hop))

    own = {"min_active_ratio": ratio} if (ratio := getattr(clustering, "min_active_ratio", None)) else {}

    def filter_embeddings(*arguments: Any, **options: Any) -> tuple[NDArray[Any], ...]:
        found = clustering.filter_embeddings(*arguments, **options, **own)  # embeddings, windows, speakers
        if len(found[0]) <= MOST_CLUSTERED:
            return found
        if (size := getattr(bounded, "min_cluster_size", None)) is not None:
            # With fewer embeddings of everybody, those of who speaks seldom need not be as many.
            share = MOST_CLUSTERED / len(found[0])
            bounded.min_cluster_size = min(size, max(_SMALLEST_CLUSTER, round(size * share)))
        chosen = np.linspace(0, len(found[0]) - 1, MOST_CLUSTERED).round().astype(int)
        return tuple(part[chosen] for part in found)

    bounded.filter_embeddings = filter_embeddings
    return bounded
