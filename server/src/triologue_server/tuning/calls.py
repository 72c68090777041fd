"""Calls of the cores, as the conductor makes them: the same tensors, with full windows of speech in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput

from triologue_server.diarization.spans import FRAMES, SPEAKERS, WINDOW_SECONDS, WINDOWS
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_diarization, resolve_whisper
from triologue_server.transcription.window import WINDOW_FRAMES, WindowOptions
from triologue_server.tuning.cores import Core
from triologue_server.tuning.speech import Samples

Call = Sequence[InferInput]
"""The inputs of one call."""

_HOP = 16_000  # pyannote's own, in samples
_TURN_SECONDS = 3  # people take turns about as often as that
# What most callers ask for. Without retries, which are drawn at random, one measurement is like another.
_OPTIONS = WindowOptions(word_timestamps=True, temperature=0.0)


def calls_of(core: Core, settings: Settings, windows: Sequence[Samples]) -> list[Call]:
    """Return a call of a core for each window of speech.

    Raises:
        StoreError: The model is not in the store.
    """
    if core is Core.WHISPER:
        return _of_whisper(settings, windows)
    ModelStore(settings.models).require(resolve_diarization(settings.diarization.pipeline))
    activity = {} if core is Core.SEGMENTATION else {"ACTIVITY": _two_in_turn()}
    return [_call(_span(window) | activity) for window in windows]


def _of_whisper(settings: Settings, windows: Sequence[Samples]) -> list[Call]:
    # Loads faster-whisper, which the other cores do without.
    from triologue_server.transcription.processor import WhisperProcessor

    folder = ModelStore(settings.models).require(resolve_whisper(settings.whisper.model))
    processor = WhisperProcessor(folder)
    options = np.array([_OPTIONS.model_dump_json(exclude_unset=True).encode()], object)
    return [
        _call(
            {
                "FEATURES": processor.spectrogram(window)[:WINDOW_FRAMES],
                "NUM_FRAMES": np.array([WINDOW_FRAMES], np.int32),
                "OPTIONS": options,
            }
        )
        for window in windows
    ]


def _span(samples: Samples) -> dict[str, NDArray[Any]]:
    return {
        "AUDIO": samples,
        "NUM_SAMPLES": np.array([len(samples)], np.int32),
        "HOP": np.array([_HOP], np.int32),
    }


def _two_in_turn() -> NDArray[np.uint8]:
    """Return made-up activity of a span: two people who take turns, as the segmentation might hear them."""
    activity = np.zeros((WINDOWS, FRAMES, SPEAKERS), np.uint8)
    seconds = np.arange(WINDOWS)[:, None] + np.linspace(0, WINDOW_SECONDS, FRAMES, endpoint=False)
    speaker = (seconds // _TURN_SECONDS).astype(int) % 2
    np.put_along_axis(activity, speaker[..., None], 1, axis=2)
    return activity


_TYPES = {"float32": "FP32", "int16": "INT16", "int32": "INT32", "uint8": "UINT8", "object": "BYTES"}


def _call(arrays: dict[str, NDArray[Any]]) -> Call:
    return [_tensor(name, array[None]) for name, array in arrays.items()]


def _tensor(name: str, array: NDArray[Any]) -> InferInput:
    tensor = InferInput(name, list(array.shape), _TYPES[array.dtype.name])
    tensor.set_data_from_numpy(array)
    return tensor
