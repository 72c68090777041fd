"""The cores, called through Triton's business logic scripting (BLS)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray
from opentelemetry.trace import SpanKind

from triologue.schema import InternalError, server_error
from triologue_server import tracing
from triologue_server.conductor.fairness import FairQueue
from triologue_server.diarization.networks import workers_of
from triologue_server.diarization.spans import SPAN_SAMPLES, WINDOWS
from triologue_server.settings import CoreSettings, Settings
from triologue_server.transcription.processor import Features
from triologue_server.transcription.window import WINDOW_FRAMES, Hypothesis, WindowOptions
from triologue_server.triton import core_key

CORES = ("whisper", "pyannote_segmentation", "speaker_embedding")
"""The models that the conductor calls."""

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


def queues(settings: Settings, has_gpus: bool) -> dict[str, FairQueue]:
    """Return where calls of each core wait for their turn.

    What computes on the CPU one by one shares its cores: as many calls are under way as there are threads for
    them, of whichever model. More would slow each other down, and what comes meanwhile would wait for all of
    them. What computes in batches has those that are in work, and as much again waiting to be the next.

    Args:
        settings: Of the server.
        has_gpus: Whether what may compute on GPUs will.
    """
    whisper, diarization = settings.whisper, settings.diarization
    networks_on_gpus = diarization.device == "cuda" or (diarization.device == "auto" and has_gpus)
    cpu = FairQueue(max(whisper.threads, diarization.threads))

    def queue(core: CoreSettings, on_gpus: bool, workers: int) -> FairQueue:
        if not on_gpus and core.max_batch_size == 1:
            return cpu
        instances = core.instances * (len(core.gpus) if on_gpus else 1)
        return FairQueue(2 * instances * workers * core.max_batch_size)

    def queue_of_network(core: CoreSettings) -> FairQueue:
        return queue(core, networks_on_gpus, workers_of(diarization, core, on_gpu=networks_on_gpus))

    return {
        "whisper": queue(whisper, whisper.device == "cuda", whisper.workers_of_instance),
        "pyannote_segmentation": queue_of_network(diarization.segmentation),
        "speaker_embedding": queue_of_network(diarization.embedding),
    }


class TritonCores:
    """The core models of this Triton server, for one recording; what `conductor.cores.Cores` asks for.

    Args:
        queues: Where calls of each core wait for their turn; from `queues`.
        heard: Told of each window that Whisper has answered, and whether it needed a higher temperature.
        waited: Told of each call by its core, and how many seconds it has waited for its turn.
    """

    def __init__(
        self,
        queues: Mapping[str, FairQueue],
        heard: Callable[[bool], None],
        waited: Callable[[str, float], None],
    ) -> None:
        flows = {queue: queue.flow() for queue in set(queues.values())}
        self._heard, self._waited = heard, waited
        self._flows = {core: flows[queue] for core, queue in queues.items()}

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
        hypothesis = Hypothesis.model_validate_json(answer[0])
        self._heard(hypothesis.temperature > options.temperatures[0])
        return hypothesis

    async def _call(self, model: str, output: str, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        with tracing.span(model, SpanKind.CLIENT) as span:
            request = pb_utils.InferenceRequest(
                model_name=model,
                requested_output_names=[output],
                inputs=[pb_utils.Tensor(name, array[None]) for name, array in inputs.items()],
                parameters={**core_key.parameters(), **tracing.headers()},
            )
            asked = time.monotonic()
            async with self._flows[model].place():
                self._waited(model, time.monotonic() - asked)
                span.add_event("sent")
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
