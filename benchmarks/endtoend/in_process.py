"""The service's own functions in this process, without Triton: what serving them costs is the difference."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from triologue import AsrSegment, DiarizedTranscriptionResult
from triologue.schema import DiarizedAsrOptions, Event, TriologueError
from triologue_server.audio import Recording, decode_audio
from triologue_server.conductor.fairness import FairQueue
from triologue_server.conductor.flow import in_thread
from triologue_server.conductor.run import Run
from triologue_server.diarization.embedding import EmbeddingModel, SpeakersOfSpan
from triologue_server.diarization.networks import load_networks
from triologue_server.diarization.pipeline import without_weights
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.spans import WINDOWS, AudioOfSpan
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.transcription.processor import Features, WhisperProcessor
from triologue_server.transcription.whisper import WhisperCore, WindowRequest
from triologue_server.transcription.window import Hypothesis, WindowOptions

Result = TypeVar("Result")


class InProcess:
    """Conductor and cores of a server that computes on the CPU. For one thread.

    Args:
        settings: Of the server.
        threads: How many calls of the cores are worked on at once; by default as many as by the server.

    Raises:
        StoreError: Weights are not in the model store.
    """

    def __init__(self, settings: Settings, threads: int | None = None) -> None:
        folder = ModelStore(settings.models).require(resolve_whisper(settings.whisper.model))
        pipeline = load_networks(settings)
        precision = settings.diarization.precision
        self.whisper = WhisperCore(folder, settings.whisper)
        """The core of that name, and the next two."""
        self.segmentation = SegmentationModel(pipeline, "cpu", precision)
        self.embedding = EmbeddingModel(pipeline, "cpu", precision)
        self._processor = WhisperProcessor(folder)
        self._diarizer = without_weights(load_networks(settings))
        self._settings = settings
        self._threads = threads or max(settings.whisper.threads, settings.diarization.threads)
        self._computing = ThreadPoolExecutor(self._threads, "cores")
        self._pool = ThreadPoolExecutor(self._threads, "recording")

    def __call__(self, audio: bytes, **options: Any) -> list[AsrSegment]:
        """Write down who says what in an encoded file.

        Raises:
            TriologueError: It cannot be decoded.
        """
        torch.set_num_threads(1)
        answer = asyncio.run(self._answer(audio, DiarizedAsrOptions(**options)))
        assert isinstance(answer, DiarizedTranscriptionResult)  # noqa: S101
        return answer.segments

    async def _answer(self, audio: bytes, options: DiarizedAsrOptions) -> Any:
        async def emit(_: Event) -> None: ...

        self._flow = FairQueue(self._threads).flow()
        limits, pool = self._settings.limits, self._pool

        async def decode(upload: bytes, max_seconds: float) -> Recording:
            return await in_thread(pool, lambda: decode_audio(upload, max_seconds))

        run = Run(
            "diarized_asr", options, self, decode, self._diarizer, self._processor, limits, pool, pool, emit
        )
        return await run.answer(audio)

    async def activity(self, span: NDArray[np.int16], hop: int) -> NDArray[np.uint8]:
        """Do what `pyannote_segmentation` does."""
        return await self._in_turn(lambda: self.segmentation.activity([AudioOfSpan(span, hop)])[0])

    async def embeddings(
        self, span: NDArray[np.int16], hop: int, activity: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Do what `speaker_embedding` does."""
        full = np.pad(activity, ((0, WINDOWS - len(activity)), (0, 0), (0, 0)))
        speakers = SpeakersOfSpan(AudioOfSpan(span, hop), full)
        return (await self._in_turn(lambda: self.embedding.embed([speakers])[0]))[: len(activity)]

    async def hypothesis(self, features: Features, options: WindowOptions) -> Hypothesis:
        """Do what `whisper` does."""
        found = await self._in_turn(lambda: self.whisper.transcribe([WindowRequest(features, options)])[0])
        if isinstance(found, TriologueError):
            raise found
        return found

    async def _in_turn(self, work: Callable[[], Result]) -> Result:
        async with self._flow.place():
            return await in_thread(self._computing, work)
