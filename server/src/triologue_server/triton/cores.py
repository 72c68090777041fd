"""The cores, called through Triton's business logic scripting (BLS)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triologue.schema import Cancelled, InternalError, WhisperParams, server_error
from triologue_server.diarization.spans import SPAN_SAMPLES
from triologue_server.settings import Settings
from triologue_server.transcription.window import WINDOW_SAMPLES, WindowTranscript

# What the core can act on; windows that differ in the rest may share a batch.
_WINDOW_OPTIONS = set(WhisperParams.model_fields) - {
    "vad_filter",
    "clip_timestamps",
    "language_detection_segments",
    "language_detection_threshold",
}


def places(settings: Settings) -> dict[str, int]:
    """Return how many calls of each core may be under way at once: a batch in work, and the next one waiting.

    What does not fit waits for its turn here, first come, first served, whichever recording it is of.
    """
    cores = {
        "whisper": settings.whisper,
        "pyannote_segmentation": settings.diarization.segmentation,
        "speaker_embedding": settings.diarization.embedding,
    }
    return {name: 2 * core.instances * core.max_batch_size for name, core in cores.items()}


class TritonCores:
    """The core models of this Triton server; what `conductor.cores.Cores` asks for.

    Args:
        places: How many calls of each core may be under way, of all recordings together; from `places`.
        is_cancelled: Says whether the caller has gone away; then nothing more is sent to the cores.
    """

    def __init__(self, places: Mapping[str, asyncio.Semaphore], is_cancelled: Callable[[], bool]) -> None:
        self._places = places
        self._is_cancelled = is_cancelled

    async def activity(self, span: NDArray[np.int16]) -> NDArray[np.uint8]:
        """Ask `pyannote_segmentation`."""
        return await self._call("pyannote_segmentation", "ACTIVITY", _audio(span, SPAN_SAMPLES))

    async def embeddings(self, span: NDArray[np.int16], activity: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Ask `speaker_embedding`."""
        inputs = {**_audio(span, SPAN_SAMPLES), "ACTIVITY": activity}
        return await self._call("speaker_embedding", "EMBEDDINGS", inputs)

    async def transcript(self, window: NDArray[np.int16], options: WhisperParams) -> WindowTranscript:
        """Ask `whisper`."""
        text = options.model_dump_json(include=_WINDOW_OPTIONS, exclude_unset=True)
        inputs = {**_audio(window, WINDOW_SAMPLES), "OPTIONS": np.array([text.encode()], object)}
        answer = await self._call("whisper", "TRANSCRIPT", inputs)
        return WindowTranscript.model_validate_json(answer[0])

    async def _call(self, model: str, output: str, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        if self._is_cancelled():
            raise Cancelled("the caller went away")
        request = pb_utils.InferenceRequest(
            model_name=model,
            requested_output_names=[output],
            inputs=[pb_utils.Tensor(name, array[None]) for name, array in inputs.items()],
        )
        async with self._places[model]:
            response = await request.async_exec()
        if response.has_error():
            text = response.error().message()
            raise server_error(text) or InternalError(f"{model}: {text}")
        # The tensor lives in shared memory that goes back with the response.
        array: NDArray[Any] = pb_utils.get_output_tensor_by_name(response, output).as_numpy()[0]
        return array.copy()


def _audio(samples: NDArray[np.int16], full: int) -> dict[str, NDArray[Any]]:
    return {
        "AUDIO": np.pad(samples, (0, full - len(samples))),
        "NUM_SAMPLES": np.array([len(samples)], np.int32),
    }
