"""The cores, called through Triton's business logic scripting (BLS)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triologue.schema import Cancelled, InternalError, server_error
from triologue_server.diarization.spans import SPAN_SAMPLES, WINDOWS
from triologue_server.settings import CoreSettings, Device, Settings
from triologue_server.transcription.processor import Features
from triologue_server.transcription.window import WINDOW_FRAMES, Hypothesis, WindowOptions

# What the core can act on; the rest is the conductor's.
_WINDOW_OPTIONS = set(WindowOptions.model_fields) - {
    "vad_filter",
    "vad_parameters",
    "clip_timestamps",
    "language_detection_segments",
    "language_detection_threshold",
    "condition_on_previous_text",
    "prompt_reset_on_temperature",
    "hallucination_silence_threshold",
}


def places(settings: Settings) -> dict[str, int]:
    """Return how many calls of each core may be under way at once: a batch in work, and the next one waiting.

    What does not fit waits for its turn here, first come, first served, whichever recording it is of.
    """
    whisper, diarization = settings.whisper, settings.diarization
    return {
        "whisper": _places(whisper, whisper.device),
        "pyannote_segmentation": _places(diarization.segmentation, diarization.device),
        "speaker_embedding": _places(diarization.embedding, diarization.device),
    }


def _places(core: CoreSettings, device: Device) -> int:
    instances = core.instances * (len(core.gpus) if device == "cuda" else 1)
    return 2 * instances * core.max_batch_size


class TritonCores:
    """The core models of this Triton server; what `conductor.cores.Cores` asks for.

    Args:
        places: How many calls of each core may be under way, of all recordings together; from `places`.
        is_cancelled: Says whether the caller has gone away; then nothing more is sent to the cores.
    """

    def __init__(self, places: Mapping[str, asyncio.Semaphore], is_cancelled: Callable[[], bool]) -> None:
        self._places = places
        self._is_cancelled = is_cancelled

    async def activity(self, span: NDArray[np.int16], hop: int) -> NDArray[np.uint8]:
        """Ask `pyannote_segmentation`."""
        return await self._call("pyannote_segmentation", "ACTIVITY", _audio(span, hop))

    async def embeddings(
        self, span: NDArray[np.int16], hop: int, activity: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Ask `speaker_embedding`."""
        missing = WINDOWS - len(activity)
        inputs = {**_audio(span, hop), "ACTIVITY": np.pad(activity, ((0, missing), (0, 0), (0, 0)))}
        return (await self._call("speaker_embedding", "EMBEDDINGS", inputs))[: len(activity)]

    async def hypothesis(self, features: Features, options: WindowOptions) -> Hypothesis:
        """Ask `whisper`."""
        text = options.model_dump_json(include=_WINDOW_OPTIONS, exclude_unset=True)
        inputs = {
            "FEATURES": _filled_up(features, WINDOW_FRAMES),
            "NUM_FRAMES": np.array([features.shape[1]], np.int32),
            "OPTIONS": np.array([text.encode()], object),
        }
        answer = await self._call("whisper", "HYPOTHESIS", inputs)
        return Hypothesis.model_validate_json(answer[0])

    async def _call(self, model: str, output: str, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        request = pb_utils.InferenceRequest(
            model_name=model,
            requested_output_names=[output],
            inputs=[pb_utils.Tensor(name, array[None]) for name, array in inputs.items()],
        )
        async with self._places[model]:
            if self._is_cancelled():
                raise Cancelled("the caller went away")
            response = await request.async_exec()
        if response.has_error():
            text = response.error().message()
            raise server_error(text) or InternalError(f"{model}: {text}")
        # The tensor lives in shared memory that goes back with the response.
        array: NDArray[Any] = pb_utils.get_output_tensor_by_name(response, output).as_numpy()[0]
        return array.copy()


def _audio(span: NDArray[np.int16], hop: int) -> dict[str, NDArray[Any]]:
    return {
        "AUDIO": _filled_up(span, SPAN_SAMPLES),
        "NUM_SAMPLES": np.array([len(span)], np.int32),
        "HOP": np.array([hop], np.int32),
    }


def _filled_up(array: NDArray[Any], full: int) -> NDArray[Any]:
    missing = full - array.shape[-1]
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)])
