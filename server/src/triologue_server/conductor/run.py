"""One recording on its way through the service."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Executor
from contextlib import aclosing
from functools import partial
from typing import Any, Literal, TypeVar

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
    PayloadTooLarge,
    ProcessingInfo,
    ProgressEvent,
    SegmentEvent,
    SpeakerDiarizationSegment,
    TranscriptionResult,
)
from triologue_server.audio import Recording, decode_audio
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.flow import all_or_cancel, bounded_map, drain
from triologue_server.conductor.language import LanguageVote
from triologue_server.conductor.speech import SpeechFinder
from triologue_server.conductor.windows import Window, WindowPacker, even_regions
from triologue_server.diarization.pipeline import speaker_turns
from triologue_server.diarization.spans import WINDOWS, Span, spans
from triologue_server.settings import Limits
from triologue_server.transcription.window import WindowTranscript

SILENCE = AsrTranscriptionInfo(language="silence", language_confidence=1.0)

_PAUSE_SECONDS = 0.3  # a speaker who pauses for less is still speaking, as far as words are concerned

Pipeline = Literal["diarized_asr", "transcription", "diarization"]
Emit = Callable[[Event], Awaitable[None]]
Outcome = TypeVar("Outcome")
Answer = TranscriptionResult | DiarizationResult | DiarizedTranscriptionResult


class Run:
    """Turns one upload into one answer.

    Segmentation runs once: its activity is what diarization clusters, and the speech in it is what Whisper's
    windows are cut from. Whisper and the speaker embeddings follow it span by span, side by side.

    Args:
        pipeline: Which answer is wanted.
        options: Of transcription, diarization, or both.
        cores: Where the computing is done.
        diarizer: pyannote's pipeline, for all but its networks.
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
        self._limits = limits
        self._pool = pool
        self._clustering = clustering
        self._emit = emit
        self._activity: list[NDArray[np.uint8]] = []
        self._embeddings: list[NDArray[np.float32]] = []
        self._to_embed: asyncio.Queue[tuple[Span, NDArray[np.uint8]] | None] = asyncio.Queue()
        self._windows: asyncio.Queue[Window | None] = asyncio.Queue()
        # Windows wait for the decision while they are under way: no more may have a vote than can be.
        self._language = LanguageVote(
            min(options.language_detection_segments, limits.windows_in_flight),
            options.language_detection_threshold,
        )
        self._window_count = 0
        self._segments: list[AsrSegment] = []
        self._turns: list[SpeakerDiarizationSegment] = []
        self._warnings: list[str] = []

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
        self._recording: Recording = await self._in_thread(partial(decode_audio, upload, max_seconds))
        await self._emit(InfoEvent(audio=self._recording.info))
        parts = [self._listen()]
        if self._diarizes:
            parts.append(self._diarize())
        if self._transcribes:
            parts.append(self._transcribe())
        await all_or_cancel(*parts)
        if self._transcribes and self._diarizes:
            turns = join_touching_turns(self._turns, _PAUSE_SECONDS)
            self._segments = await self._in_thread(
                partial(PostProcessingForDiarizedAsr.process, turns, self._segments)
            )
        return self._result(time.perf_counter() - started)

    async def _listen(self) -> None:
        """Find who is active, and hand on spans to embed and windows to transcribe."""
        by_speech = self._transcribes and self._options.vad_filter and not self._options.clip_timestamps
        num_samples = len(self._recording.samples)
        finder, packer = SpeechFinder(num_samples), WindowPacker()
        if self._transcribes and not by_speech:
            self._hand_on(packer.add(even_regions(num_samples, self._options.clip_timestamps)))
            self._hand_on_last(packer.finish())
        if self._diarizes or by_speech:
            segmented = bounded_map(self._segment, _each(spans(num_samples)), self._limits.spans_in_flight)
            async with aclosing(segmented):
                async for span, activity in segmented:
                    if self._diarizes:
                        self._activity.append(activity)
                        self._to_embed.put_nowait((span, activity))
                    if by_speech:
                        self._hand_on(packer.add(finder.add(activity)))
                    await self._progress("segmentation", span.stop)
        self._to_embed.put_nowait(None)
        if by_speech:
            self._hand_on(packer.add(finder.finish()))
            self._hand_on_last(packer.finish())

    def _hand_on(self, windows: Iterable[Window]) -> None:
        for window in windows:
            self._windows.put_nowait(window)
            self._window_count += 1

    def _hand_on_last(self, windows: Iterable[Window]) -> None:
        self._hand_on(windows)
        self._windows.put_nowait(None)
        self._language.close(self._window_count)

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
        self._turns, self._warnings = await self._in_thread(
            partial(
                speaker_turns,
                self._diarizer,
                np.concatenate(self._activity),
                np.concatenate(self._embeddings),
                self._options,
                self._recording.info.duration,
            ),
            self._clustering,
        )

    async def _embed(self, work: tuple[Span, NDArray[np.uint8]]) -> tuple[Span, NDArray[np.float32]]:
        span, activity = work
        full = np.pad(activity, ((0, WINDOWS - span.windows), (0, 0), (0, 0)))
        embeddings = await self._cores.embeddings(self._samples(span), full)
        return span, embeddings[: span.windows]

    async def _transcribe(self) -> None:
        transcribed = bounded_map(
            self._transcribe_window, drain(self._windows), self._limits.windows_in_flight
        )
        async with aclosing(transcribed):
            async for window, transcript in transcribed:
                segments = window.restore(transcript.segments)
                self._segments += segments
                for segment in segments:
                    await self._emit(SegmentEvent(segment=segment))
                await self._progress("transcription", window.regions[-1].stop)

    async def _transcribe_window(self, window: Window) -> tuple[Window, WindowTranscript]:
        """Transcribe a window in the recording's language, or in its own when there may be several.

        Windows that start before the language is known guess their own, and those that guessed differently
        are transcribed again: waiting would leave the cores idle.
        """
        samples = window.cut(self._recording.samples)
        transcript = await self._cores.transcript(samples, self._options_of(window))
        self._language.hear(window.index, transcript.language, transcript.language_confidence)
        if not self._options.multilingual:
            language = (await self._language.decided()).language
            if transcript.language != language:
                transcript = await self._cores.transcript(samples, self._options_of(window))
        return window, transcript

    def _options_of(self, window: Window) -> DiarizedAsrOptions:
        changes: dict[str, Any] = {}
        if window.index > 0 and self._options.prefix is not None:
            changes["prefix"] = None
        if self._options.language is None and not self._options.multilingual and self._language.decision:
            changes["language"] = self._language.decision.language
        return self._options.model_copy(update=changes)

    def _samples(self, span: Span) -> NDArray[np.int16]:
        return self._recording.samples[span.start : span.stop]

    async def _in_thread(self, work: Callable[[], Outcome], pool: Executor | None = None) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(pool or self._pool, work)

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
            "transcription_info": self._language.decision if self._segments else SILENCE,
        }
        if not self._diarizes:
            return TranscriptionResult(**transcript, **common)
        return DiarizedTranscriptionResult(turns=self._turns, **transcript, **common)


async def _each(items: Iterable[Span]) -> AsyncIterator[Span]:
    for item in items:
        yield item
