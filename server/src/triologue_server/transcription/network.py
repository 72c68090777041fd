"""Whisper's network, from arrays to arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ctranslate2 import DataType, StorageView
from ctranslate2.models import Whisper
from numpy.typing import NDArray

Encoded = NDArray[np.floating[Any]]
"""(windows, frames, features): output of the encoder."""


class ArrayNetwork:
    """Takes the place of CTranslate2's `Whisper`, with arrays where that has storages.

    Args:
        network: CTranslate2's.
    """

    def __init__(self, network: Whisper) -> None:
        self._network = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def encode(self, features: NDArray[np.float32]) -> Encoded:
        """Encode windows: (windows, mels, frames)."""
        # On the CPU the output can be picked apart for retries; CTranslate2 moves it back by itself.
        storage = self._network.encode(_storage(features), to_cpu=True)
        if storage.dtype == DataType.bfloat16:  # NumPy has no such type
            storage = storage.to(DataType.float32)
        return np.asarray(storage)

    def detect_language(self, encoded: Encoded) -> list[list[tuple[str, float]]]:
        """Return the languages of windows, as tokens, the most probable ones first."""
        found: list[list[tuple[str, float]]] = self._network.detect_language(_storage(encoded))
        return found

    def generate(self, encoded: Encoded, prompts: Sequence[Sequence[int]], **options: Any) -> list[Any]:
        """Decode windows, whose prompts are of one length."""
        found: list[Any] = self._network.generate(_storage(encoded), list(prompts), **options)
        return found

    def align(
        self,
        encoded: Encoded,
        start_sequence: Sequence[int],
        text_tokens: Sequence[Sequence[int]],
        num_frames: Sequence[int],
        **options: Any,
    ) -> list[Any]:
        """Find the frames of windows at which their tokens are heard."""
        found: list[Any] = self._network.align(
            _storage(encoded), list(start_sequence), list(text_tokens), list(num_frames), **options
        )
        return found


def _storage(array: NDArray[Any]) -> StorageView:
    return StorageView.from_array(np.ascontiguousarray(array))
