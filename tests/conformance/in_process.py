"""Transcription without a server: the conductor and a Whisper model, in this process."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper.transcribe import Segment
from numpy.typing import NDArray

from tests.server.recordings import wav
from triologue.schema import AsrSegment, DiarizedAsrOptions, Event, TranscriptionResult, TriologueError
from triologue_server.audio import Recording, decode_audio
from triologue_server.conductor.run import Run
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.transcription.processor import Features, WhisperProcessor
from triologue_server.transcription.whisper import WhisperCore, WindowRequest
from triologue_server.transcription.window import Hypothesis, WindowOptions

Samples = NDArray[np.int16]

THREADS = 2


async def decode(upload: bytes, max_seconds: float) -> Recording:
    """Decode in this process: the files are ours."""
    return decode_audio(upload, max_seconds)


@dataclass(frozen=True)
class Whisper:
    """A model of Whisper's, with what makes features for it and text of its tokens."""

    folder: Path
    core: WhisperCore
    processor: WhisperProcessor

    @staticmethod
    def load(model: str) -> "Whisper":
        folder = ModelStore().require(resolve_whisper(model))
        settings = Settings(profile="embedded").whisper
        core = WhisperCore(folder, settings.model_copy(update={"model": model, "threads": THREADS}))
        return Whisper(folder, core, WhisperProcessor(folder))

    def features(self, samples: Samples) -> Features:
        """Return the features of a window."""
        spectrogram = self.processor.spectrogram(samples)
        return spectrogram[: spectrogram.frames]

    async def hypothesis(self, features: Features, options: WindowOptions) -> Hypothesis:
        """Answer the conductor, one window at a time; all of `Cores` that plain transcription asks for."""
        (answer,) = await asyncio.to_thread(self.core.transcribe, [WindowRequest(features, options)])
        if isinstance(answer, TriologueError):
            raise answer
        return answer

    def transcribe(self, samples: Samples, **options: Any) -> TranscriptionResult:
        """Transcribe a recording."""

        async def ignore(event: Event) -> None:
            pass

        async def run(pool: ThreadPoolExecutor) -> TranscriptionResult:
            limits = Settings(profile="embedded").limits
            asked = DiarizedAsrOptions(**options)
            run = Run("transcription", asked, self, decode, None, self.processor, limits, pool, pool, ignore)
            answer = await run.answer(wav(samples))
            assert isinstance(answer, TranscriptionResult)
            return answer

        with ThreadPoolExecutor(THREADS) as pool:
            return asyncio.run(run(pool))


def assert_same_words(ours: Sequence[AsrSegment], theirs: Sequence[Segment]) -> None:
    """Assert that words are those of faster-whisper, said at the same times.

    It gives a word no time where several are aligned to one moment; here they share what is around them.
    """
    for our_segment, their_segment in zip(ours, theirs, strict=True):
        words = their_segment.words
        assert [word.word for word in our_segment.words] == [word.word for word in words]
        timed = [word.end - word.start > 0.01 for word in words]
        for at, (our_word, their_word) in enumerate(zip(our_segment.words, words, strict=True)):
            if all(timed[max(0, at - 1) : at + 2]):
                interval = our_word.time_interval
                times = (their_word.start, their_word.end)
                assert (interval.start, interval.end) == pytest.approx(times, abs=0.005), their_word
