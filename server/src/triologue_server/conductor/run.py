"""One recording on its way through the service."""

import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from triologue.merge import attribute, join_touching_turns, with_speakers
from triologue.merge.process import Attribution
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
    ProcessingInfo,
    ProgressEvent,
    SegmentEvent,
    TranscriptionResult,
)
from triologue_server.audio import SAMPLE_RATE, Recording
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.diarizer import Diarizer
from triologue_server.conductor.flow import all_or_cancel, in_thread
from triologue_server.conductor.known import KnownVoices
from triologue_server.conductor.phrases import PhraseListener
from triologue_server.conductor.request import without_effect
from triologue_server.conductor.stages import Stages
from triologue_server.conductor.transcriber import Transcriber
from triologue_server.diarization.diarization import Diarization, Voice
from triologue_server.diarization.refinement import refine
from triologue_server.settings import Limits
from triologue_server.transcription.processor import WhisperProcessor

SILENCE = AsrTranscriptionInfo(language="silence", language_confidence=1.0)

_PAUSE_SECONDS = 0.3  # a speaker who pauses for less is still speaking, as far as words are concerned

Pipeline = Literal["diarized_asr", "transcription", "diarization"]
Emit = Callable[[Event], Awaitable[None]]
Decode = Callable[[bytes, float], Awaitable[Recording]]
Answer = TranscriptionResult | DiarizationResult | DiarizedTranscriptionResult


class Run:
    """Turns one upload into one answer.

    Segmentation runs once: its activity is what diarization clusters, and the speech in it is what Whisper's
    batched windows are cut from. Whisper and the speaker embeddings follow it span by span, side by side.

    Args:
        pipeline: Which answer is wanted.
        options: Of transcription, diarization, or both.
        cores: Where the computing is done.
        decode: Decodes an upload of so many seconds at most; raises what `Decoder.decode` does.
        networks: pyannote's pipeline, for all but the networks themselves.
        processor: Of the Whisper model, where there is one.
        limits: How much may be under way at once.
        pool: Threads for features and speech detection.
        clustering: Threads for clustering, which takes the memory of the whole recording's voices.
        emit: Told about every event but the result.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        options: DiarizedAsrOptions,
        cores: Cores,
        decode: Decode,
        networks: SpeakerDiarization,
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
        self._decode = decode
        self._networks = networks
        self._processor = processor
        self._limits = limits
        self._pool = pool
        self._clustering = clustering
        self._emit = emit
        self._stages = Stages()
        self._segments: list[AsrSegment] = []
        self._diarization = Diarization()
        self._known: dict[str, Voice] = {}
        self._phrases: PhraseListener | None = None
        self._language = SILENCE
        self._warnings = without_effect(options) if self._transcribes else []

    async def answer(self, upload: bytes) -> Answer:
        """Process an upload.

        Raises:
            TriologueError: The upload is refused, or a core refuses or fails.
        """
        started = time.perf_counter()
        max_seconds = self._limits.audio_hours * 3600
        decoding = self._decode(upload, max_seconds)
        del upload
        with self._stages.timed("decoding"):
            recording = await decoding
        self._audio, samples = recording.info, recording.samples
        await self._emit(InfoEvent(audio=self._audio))
        diarizer = self._diarizer(samples) if self._diarizes else None
        parts = []
        if diarizer:
            parts += [self._listen(diarizer), self._diarize(diarizer)]
        if self._transcribes:
            if diarizer and self._options.attribution == "voice":
                self._phrases = PhraseListener(samples, self._cores, self._limits.spans_in_flight)
                parts.append(self._phrases.listen())
            parts.append(self._transcribe(samples, diarizer))
        # Hours are a lot to keep: from here on the samples are with those who need them, as long as they do.
        del recording, samples
        await all_or_cancel(*parts)
        if self._transcribes and self._diarizes:
            with self._stages.timed("attribution"):
                await in_thread(self._clustering, self._attribute)
        return self._result(time.perf_counter() - started)

    def _attribute(self) -> None:
        """Say whose the words are; where voices tell, that is said of the turns too."""
        found = self._diarization
        if self._phrases is not None:
            refined = refine(
                self._networks,
                found,
                self._phrases.phrases,
                self._phrases.embeddings,
                self._options,
                self._known,
            )
            if refined is not None:
                self._diarization, words = refined
                self._segments = with_speakers(self._segments, words)
                return
        turns = join_touching_turns(found.turns, _PAUSE_SECONDS)
        by: Attribution = "sentence" if self._options.attribution == "sentence" else "word"
        self._segments = attribute(self._segments, turns, found.exclusive_turns, by)

    def _diarizer(self, samples: NDArray[np.int16]) -> Diarizer:
        return Diarizer(
            samples,
            self._options,
            self._cores,
            self._networks,
            self._limits.spans_in_flight,
            self._clustering,
            self._progress,
        )

    async def _listen(self, diarizer: Diarizer) -> None:
        with self._stages.timed("segmentation"):
            await diarizer.listen()

    async def _diarize(self, diarizer: Diarizer) -> None:
        known = KnownVoices(self._cores, self._decode, self._networks, self._clustering)
        self._known = await known.of(self._options.known_speakers)
        with self._stages.timed("embedding"):
            await diarizer.embed()
        with self._stages.timed("clustering"):
            self._diarization = await diarizer.cluster(self._known)

    async def _transcribe(self, samples: NDArray[np.int16], diarizer: Diarizer | None) -> None:
        if self._processor is None:
            raise NotFound("whisper: this server has no such model, and cannot transcribe")
        transcriber = Transcriber(
            samples,
            self._options,
            self._cores,
            self._processor,
            self._limits.windows_in_flight,
            self._pool,
            diarizer,
        )
        with self._stages.timed("transcription"):
            await self._write_down(transcriber)
        if self._phrases is not None:
            self._phrases.finish()
        self._language = transcriber.language or SILENCE

    async def _write_down(self, transcriber: Transcriber) -> None:
        async with aclosing(transcriber.transcribe()) as transcribed:
            async for segments, heard in transcribed:
                self._segments += segments
                if self._phrases is not None:
                    self._phrases.write(segments)
                for segment in segments:
                    await self._emit(SegmentEvent(segment=segment))
                await self._progress("transcription", heard)

    async def _progress(
        self, stage: Literal["segmentation", "transcription", "embedding"], samples: int
    ) -> None:
        done = min(samples / SAMPLE_RATE, self._audio.duration)
        await self._emit(ProgressEvent(stage=stage, completed=round(done, 3), total=self._audio.duration))

    def _result(self, seconds: float) -> Answer:
        common: dict[str, Any] = {
            "audio": self._audio,
            "processing": ProcessingInfo(
                seconds=round(seconds, 3),
                rtfx=round(self._audio.duration / seconds, 2),
                stages=self._stages.seconds,
            ),
            "warnings": self._warnings + self._diarization.warnings,
        }
        if not self._transcribes:
            return DiarizationResult(**self._speakers(), **common)
        transcript: dict[str, Any] = {
            "segments": self._segments,
            "transcription": AsrTranscription(text="".join(s.text for s in self._segments).strip()),
            "transcription_info": self._language if self._segments else SILENCE,
        }
        if not self._diarizes:
            return TranscriptionResult(**transcript, **common)
        return DiarizedTranscriptionResult(**self._speakers(), **transcript, **common)

    def _speakers(self) -> dict[str, Any]:
        found = self._diarization
        voices = found.voices if self._options.speaker_embeddings else {}
        return {
            "turns": found.turns,
            "exclusive_turns": found.exclusive_turns,
            "speaker_embeddings": {label: tuple(voice.tolist()) for label, voice in voices.items()},
            "known_speakers": found.known,
        }
