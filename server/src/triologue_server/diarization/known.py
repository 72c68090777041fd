"""Recognising people whose voices are known."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Match:
    """A voice that is known."""

    name: str
    """Whose it is."""
    similarity: float
    """Cosine similarity, up to 1.0."""


def recognise(
    voices: Mapping[int, NDArray[np.float32]], known: Mapping[str, NDArray[np.float32]], threshold: float
) -> dict[int, Match]:
    """Give names to voices: one name to at most one voice, so that all are as similar as can be.

    Args:
        voices: Embeddings by speaker, (dimension,) each.
        known: Embeddings by name, (dimension,) each.
        threshold: Least cosine similarity, from 0.0 to 1.0.

    Returns:
        The matches by speaker.
    """
    if not known or not voices:
        return {}
    speakers, names = list(voices), list(known)
    similarity = _normalised([*voices.values()]) @ _normalised([*known.values()]).T
    # What is not similar enough may not be traded for anything.
    worth = np.where(similarity >= threshold, similarity, 0.0)
    return {
        speakers[voice]: Match(names[name], round(float(similarity[voice, name]), 4))
        for voice, name in zip(*linear_sum_assignment(worth, maximize=True), strict=True)
        if similarity[voice, name] >= threshold
    }


def _normalised(vectors: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    stacked = np.stack(vectors).astype(np.float64)
    normalised: NDArray[np.float64] = stacked / np.linalg.norm(stacked, axis=-1, keepdims=True)
    return normalised
