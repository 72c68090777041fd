"""One recording on its way through the service."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Executor
from contextlib import aclosing
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from triologue.merge import PostProcessingForDiarizedAsr, join_touching_turns
from triologue.schema import (
    AsrSegment,
    AsrTranscription,
    AsrTranscriptionInfo,
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    Event,
    InfoEvent,
    NotFound,
    PayloadTooLarge,
    ProcessingInfo,
    ProgressEvent,
    SegmentEvent,
    SpeakerDiarizationSegment,
    TranscriptionResult,
)
from triologue_server.audio import Recording, decode_audio
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.flow import all_or_cancel, bounded_map, drain, in_thread
from triologue_server.conductor.request import without_effect
from triologue_server.conductor.transcriber import Transcriber
from triologue_server.diarization.pipeline import speaker_turns
from triologue_server.diarization.spans import WINDOWS, Span, spans
from triologue_server.settings import Limits
from triologue_server.transcription.processor import WhisperProcessor

SILENCE = AsrTranscriptionInfo(language="silence", language_confidence=1.0)

_PAUSE_SECONDS = 0.3  # a speaker who pauses for less is still speaking, as far as words are concerned

Pipeline = Literal["diarized_asr", "transcription", "diarization"]
Emit = Callable[[Event], Awaitable[None]]
Answer = TranscriptionResult | DiarizationResult | DiarizedTranscriptionResult


class Run:
    """Turns one upload into one answer.

    Segmentation runs once: its activity is what diarization clusters, and the speech in it is what Whisper's
    batched windows are cut from. Whisper and the speaker embeddings follow it span by span, side by side.

    Args:
        pipeline: Which answer is wanted.
        options: Of transcription, diarization, or both.
        cores: Where the computing is done.
        diarizer: pyannote's pipeline, for all but its networks.
        processor: Of the Whisper model, where there is one.
        limits: How much may be under way at once.
        pool: Threads for decoding and merging.
        clustering: Threads for clustering, which takes the memory of the whole recording's voices.
        emit: Told about every event but the result.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        options: DiarizedAsrOptions,
        cores: Cores,
        diarizer: SpeakerDiarization,
        processor: WhisperProcessor | None,
        limits: Limits,
        pool: Executor,
        clustering: Executor,
        emit: Emit,
    ) -> None:
        self._transcribes = pipeline != "diarization"
        self._diarizes = pipeline != "transcription"
        if self._transcribes and self._diarizes:
            options = options.model_copy(update={"word_timestamps": True})
        self._options = options
        self._cores = cores
        self._diarizer = diarizer
        self._processor = processor
        self._limits = limits
        self._pool = pool
        self._clustering = clustering
        self._emit = emit
        self._activity: list[NDArray[np.uint8]] = []
        self._embeddings: list[NDArray[np.float32]] = []
        self._to_embed: asyncio.Queue[tuple[Span, NDArray[np.uint8]] | None] = asyncio.Queue()
        self._found_active: asyncio.Queue[NDArray[np.uint8] | None] = asyncio.Queue()
        self._segments: list[AsrSegment] = []
        self._turns: list[SpeakerDiarizationSegment] = []
        self._language = SILENCE
        self._warnings = without_effect(options) if self._transcribes else []

    async def answer(self, upload: bytes) -> Answer:
        """Process an upload.

        Raises:
            TriologueError: The upload is refused, or a core refuses or fails.
        """
        started = time.perf_counter()
        if len(upload) > self._limits.upload_bytes:
            raise PayloadTooLarge(
                f"{len(upload)} bytes are more than the {self._limits.upload_bytes} this server takes"
            )
        max_seconds = self._limits.audio_hours * 3600
        self._recording: Recording = await in_thread(self._pool, partial(decode_audio, upload, max_seconds))
        await self._emit(InfoEvent(audio=self._recording.info))
        parts = []
        if self._diarizes:
            parts += [self._listen(), self._diarize()]
        if self._transcribes:
            parts.append(self._transcribe())
        await all_or_cancel(*parts)
        if self._transcribes and self._diarizes:
            turns = join_touching_turns(self._turns, _PAUSE_SECONDS)
            self._segments = await in_thread(
                self._pool, partial(PostProcessingForDiarizedAsr.process, turns, self._segments)
            )
        return self._result(time.perf_counter() - started)

    async def _listen(self) -> None:
        """Find who is active, and hand on spans to embed and to look for speech in."""
        segmented = bounded_map(
            self._segment, _each(spans(len(self._recording.samples))), self._limits.spans_in_flight
        )
        async with aclosing(segmented):
            async for span, activity in segmented:
                self._activity.append(activity)
                self._to_embed.put_nowait((span, activity))
                self._found_active.put_nowait(activity)
                await self._progress("segmentation", span.stop)
        self._to_embed.put_nowait(None)
        self._found_active.put_nowait(None)

    async def _segment(self, span: Span) -> tuple[Span, NDArray[np.uint8]]:
        activity = await self._cores.activity(self._samples(span))
        return span, activity[: span.windows]

    async def _diarize(self) -> None:
        """Embed every span, then cluster the whole recording."""
        embedded = bounded_map(self._embed, drain(self._to_embed), self._limits.spans_in_flight)
        async with aclosing(embedded):
            async for span, embeddings in embedded:
                self._embeddings.append(embeddings)
                await self._progress("embedding", span.stop)
        self._turns, warnings = await in_thread(
            self._clustering,
            partial(
                speaker_turns,
                self._diarizer,
                np.concatenate(self._activity),
                np.concatenate(self._embeddings),
                self._options,
                self._recording.info.duration,
            ),
        )
        self._warnings += warnings

    async def _embed(self, work: tuple[Span, NDArray[np.uint8]]) -> tuple[Span, NDArray[np.float32]]:
        span, activity = work
        full = np.pad(activity, ((0, WINDOWS - span.windows), (0, 0), (0, 0)))
        embeddings = await self._cores.embeddings(self._samples(span), full)
        return span, embeddings[: span.windows]

    async def _transcribe(self) -> None:
        if self._processor is None:
            raise NotFound("whisper: this server has no such model, and cannot transcribe")
        transcriber = Transcriber(
            self._recording.samples,
            self._options,
            self._cores,
            self._processor,
            self._limits.windows_in_flight,
            self._pool,
            drain(self._found_active) if self._diarizes else None,
        )
        async with aclosing(transcriber.transcribe()) as transcribed:
            async for segments, heard in transcribed:
                self._segments += segments
                for segment in segments:
                    await self._emit(SegmentEvent(segment=segment))
                await self._progress("transcription", heard)
        self._language = transcriber.language or SILENCE

    def _samples(self, span: Span) -> NDArray[np.int16]:
        return self._recording.samples[span.start : span.stop]

    async def _progress(
        self, stage: Literal["segmentation", "transcription", "embedding"], samples: int
    ) -> None:
        done = samples / len(self._recording.samples) * self._recording.info.duration
        await self._emit(
            ProgressEvent(stage=stage, completed=round(done, 3), total=self._recording.info.duration)
        )

    def _result(self, seconds: float) -> Answer:
        common: dict[str, Any] = {
            "audio": self._recording.info,
            "processing": ProcessingInfo(
                seconds=round(seconds, 3), rtfx=round(self._recording.seconds / seconds, 2)
            ),
            "warnings": self._warnings,
        }
        if not self._transcribes:
            return DiarizationResult(turns=self._turns, **common)
        transcript: dict[str, Any] = {
            "segments": self._segments,
            "transcription": AsrTranscription(text="".join(s.text for s in self._segments).strip()),
            "transcription_info": self._language if self._segments else SILENCE,
        }
        if not self._diarizes:
            return TranscriptionResult(**transcript, **common)
        return DiarizedTranscriptionResult(turns=self._turns, **transcript, **common)


async def _each(items: Iterable[Span]) -> AsyncIterator[Span]:
    for item in items:
        yield item
