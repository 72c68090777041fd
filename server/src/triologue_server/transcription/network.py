"""Whisper's network, with a batch shared out among several workers.

On a CPU, two workers with a thread each are faster than one worker with two threads: the threads of a worker
wait for each other at every layer.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
from ctranslate2 import DataType, StorageView
from ctranslate2.models import Whisper
from numpy.typing import NDArray

Encoded = NDArray[np.floating[Any]]
"""(windows, frames, features): output of the encoder."""


class SharedNetwork:
    """Takes the place of CTranslate2's `Whisper`, with arrays where that has storages.

    Args:
        network: With `workers` workers of its own.
        workers: How many parts to divide a batch into.
    """

    def __init__(self, network: Whisper, workers: int) -> None:
        self._network = network
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, "whisper")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def encode(self, features: NDArray[np.float32]) -> Encoded:
        """Encode windows: (windows, mels, frames)."""

        def encode(part: slice) -> list[Encoded]:
            # On the CPU the output can be picked apart for retries; CTranslate2 moves it back by itself.
            storage = self._network.encode(_storage(features[part]), to_cpu=True)
            if storage.dtype == DataType.bfloat16:  # NumPy has no such type
                storage = storage.to(DataType.float32)
            return [np.asarray(storage)]

        # On a CPU what a window takes fits the caches, what several take does not.
        alone = self._network.device == "cpu"
        return np.concatenate(self._share(encode, len(features), 1 if alone else None))

    def detect_language(self, encoded: Encoded) -> list[list[tuple[str, float]]]:
        """Return the languages of windows, as tokens, the most probable ones first."""
        return self._share(lambda part: self._network.detect_language(_storage(encoded[part])), len(encoded))

    def generate(self, encoded: Encoded, prompts: Sequence[Sequence[int]], **options: Any) -> list[Any]:
        """Decode windows, whose prompts are of one length."""
        return self._share(
            lambda part: self._network.generate(_storage(encoded[part]), list(prompts[part]), **options),
            len(encoded),
        )

    def align(
        self,
        encoded: Encoded,
        start_sequence: Sequence[int],
        text_tokens: Sequence[Sequence[int]],
        num_frames: Sequence[int],
        **options: Any,
    ) -> list[Any]:
        """Find the frames of windows at which their tokens are heard."""
        return self._share(
            lambda part: self._network.align(
                _storage(encoded[part]),
                list(start_sequence),
                list(text_tokens[part]),
                list(num_frames[part]),
                **options,
            ),
            len(encoded),
        )

    def _share(self, work: Callable[[slice], Sequence[Any]], rows: int, size: int | None = None) -> list[Any]:
        """Do work for parts of `size` rows, by default as many parts as there are workers."""
        size = size or -(-rows // self._workers)
        parts = [slice(start, start + size) for start in range(0, rows, size)]
        return list(chain.from_iterable(self._pool.map(work, parts)))


def _storage(array: NDArray[Any]) -> StorageView:
    return StorageView.from_array(np.ascontiguousarray(array))
