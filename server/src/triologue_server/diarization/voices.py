"""Who says each phrase: by its voice, by when speakers are heard, and by who speaks before and after.

The speakers of a recording are those whose phrases sound alike. Diarization has found speakers too; what its
turns say about a phrase counts as far as they agree with the voices of other phrases. Who speaks, and how far
they agree, is estimated by expectation maximization, with the phrases as a hidden Markov chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from triologue.merge.chain import smoothed
from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.diarization.phrases import Phrase

Vectors = NDArray[np.float64]
"""(items, dimension), each of length 1."""

MOST_CLUSTERED = 4_000
"""Phrases that speakers are formed from at most."""
_SHARE_OF_THRESHOLD = 0.64  # of the pipeline's, which is for longer pieces, and Euclidean: 0.45 for 0.7
_SHORTEST_SECONDS = 0.7  # of a phrase that may form a speaker
# What a speaker has to say: a share of all speech that is smaller in long recordings.
_SHARE, _SHARE_SECONDS = 0.15, 2.5
_LONG_SHARE, _LONG_SHARE_SECONDS = 0.01, 12.0
_FULL_SECONDS = 1.0  # voices of shorter phrases are trusted less
_SHARPNESS = 12.0  # of a likelihood, by cosine distance from a speaker
_PRIOR_SECONDS = 6.0  # that turns have to agree with voices before they count
_MISTAKE = 1e-3  # likelihood of a speaker who, by all turns, does not speak
_INSIDE, _AT_END = 0.1, 0.5  # chance that the speaker changes inside a sentence, and behind it
_ROUNDS = 3


@dataclass(frozen=True)
class Said:
    """Who says what."""

    speakers: NDArray[np.int64]
    """(phrases,): whose each phrase is."""
    confidences: NDArray[np.float64]
    """(phrases,): how likely that is, 0.0 to 1.0."""
    voices: Vectors
    """(speakers, dimension): what each speaker sounds like."""
    labels: NDArray[np.float64]
    """(speakers, labels): how likely each speaker is where the turns say a label."""


def tell_phrases_apart(
    phrases: Sequence[Phrase],
    embeddings: NDArray[np.float32],
    heard: NDArray[np.float64],
    threshold: float,
    options: PyannoteSpeakerDiarizationParams,
) -> Said | None:
    """Find the speakers of phrases.

    Args:
        phrases: In order of time.
        embeddings: (phrases, dimension); not a number where there is none.
        heard: (phrases, labels): how much of each phrase's time is each label's.
        threshold: Of the pipeline's clustering.
        options: Bounds on the number of speakers.

    Returns:
        `None` where there are too few phrases to form a speaker from.
    """
    seconds = np.array([phrase.end - phrase.start for phrase in phrases])
    known = np.isfinite(embeddings).all(axis=1)
    voices = _normalized(np.where(known[:, None], embeddings, 0.0).astype(np.float64))
    long = np.flatnonzero(known & (seconds >= _SHORTEST_SECONDS))
    if len(long) == 0:
        return None
    if len(long) > MOST_CLUSTERED:
        long = long[np.linspace(0, len(long) - 1, MOST_CLUSTERED).round().astype(int)]
    groups = _groups(voices[long], seconds[long], threshold * _SHARE_OF_THRESHOLD, options)
    speakers = _normalized(np.stack([seconds[long[group]] @ voices[long[group]] for group in groups]))
    count = len(speakers)
    heard = heard / np.maximum(heard.sum(axis=1, keepdims=True), 1e-9)
    trust = np.minimum(1.0, seconds / _FULL_SECONDS) * known
    changes = np.array([_INSIDE if phrase.continues else _AT_END for phrase in phrases])
    labels = np.full((count, heard.shape[1]), 1.0 / count)
    for is_last in [False] * _ROUNDS + [True]:
        likely = (heard @ labels.T + _MISTAKE) * np.exp(
            -_SHARPNESS * trust[:, None] * (1.0 - voices @ speakers.T)
        )
        probabilities = smoothed(likely, changes)
        weights = probabilities * seconds[:, None]
        labels = weights.T @ heard + _PRIOR_SECONDS / count
        labels /= labels.sum(axis=0, keepdims=True)
        if not is_last:
            speakers = _normalized((weights * trust[:, None]).T @ voices)
    return Said(probabilities.argmax(axis=1), probabilities.max(axis=1), speakers, labels)


def _normalized(vectors: NDArray[np.float64]) -> Vectors:
    normalized: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return normalized


def _groups(
    voices: Vectors, seconds: NDArray[np.float64], threshold: float, options: PyannoteSpeakerDiarizationParams
) -> list[NDArray[np.int64]]:
    """Return the phrases of each speaker who has enough to say; as many speakers as are asked for, if any."""
    if len(voices) == 1:
        return [np.zeros(1, np.int64)]
    total = float(seconds.sum())
    enough = max(min(_SHARE * total, _SHARE_SECONDS), min(_LONG_SHARE * total, _LONG_SHARE_SECONDS))
    tree = linkage(pdist(voices, "cosine"), method="average")

    def cut(at: float, criterion: str) -> list[NDArray[np.int64]]:
        labels = fcluster(tree, at, criterion)
        found = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        large = [group for group in found if seconds[group].sum() >= enough]
        return large or [max(found, key=lambda group: float(seconds[group].sum()))]

    groups = cut(threshold, "distance")
    low = options.num_speakers or options.min_speakers or 1
    high = options.num_speakers or options.max_speakers or len(voices)
    if low <= len(groups) <= high:
        return groups
    wanted = low if len(groups) < low else high
    for count in range(1, min(len(voices), 10 * wanted) + 1):
        found = cut(count, "maxclust")
        if abs(len(found) - wanted) < abs(len(groups) - wanted):
            groups = found
        if len(groups) == wanted:
            break
    return groups
