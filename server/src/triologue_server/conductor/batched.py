"""Batched transcription: windows of a recording decoded independently of each other, many at once."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triologue.schema import AsrSegment, AsrTranscriptionInfo, WhisperParams
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.flow import bounded_map, in_thread
from triologue_server.conductor.language import LanguageVote
from triologue_server.conductor.windows import Excerpt
from triologue_server.transcription.processor import Features, WhisperProcessor
from triologue_server.transcription.segments import aligns_words, window_segments
from triologue_server.transcription.window import Hypothesis, WindowOptions


class BatchedTranscription:
    """Transcribes the windows of one recording.

    Args:
        samples: The recording's.
        options: The caller's.
        cores: Where Whisper is.
        processor: Of its model.
        windows_in_flight: How many windows may be under way at once.
        pool: Threads for features.
    """

    def __init__(
        self,
        samples: NDArray[np.int16],
        options: WhisperParams,
        cores: Cores,
        processor: WhisperProcessor,
        windows_in_flight: int,
        pool: Executor,
    ) -> None:
        self._samples = samples
        self._options = options
        self._cores = cores
        self._processor = processor
        self._windows_in_flight = windows_in_flight
        self._pool = pool
        # Windows wait for the decision while they are under way: no more may have a vote than can be.
        self._vote = LanguageVote(
            min(options.language_detection_segments, windows_in_flight), options.language_detection_threshold
        )

    @property
    def language(self) -> AsrTranscriptionInfo | None:
        """The language, once it is decided."""
        return self._vote.decision

    async def transcribe(
        self, windows: AsyncIterable[Excerpt]
    ) -> AsyncGenerator[tuple[list[AsrSegment], int], None]:
        """Yield the segments of each window in order, and the sample up to which the recording was heard."""
        transcribed = bounded_map(self._transcribe, self._numbered(windows), self._windows_in_flight)
        async with aclosing(transcribed):
            async for window, segments in transcribed:
                yield window.restore(segments), window.regions[-1].stop

    async def _numbered(self, windows: AsyncIterable[Excerpt]) -> AsyncIterator[tuple[int, Excerpt]]:
        number = 0
        async for window in windows:
            yield number, window
            number += 1
        self._vote.close(number)

    async def _transcribe(self, numbered: tuple[int, Excerpt]) -> tuple[Excerpt, list[AsrSegment]]:
        """Transcribe a window in the recording's language, or in its own when there may be several.

        Windows that start before the language is known guess their own, and those that guessed differently
        are transcribed again: waiting would leave the cores idle.
        """
        number, window = numbered
        features = await in_thread(self._pool, lambda: self._features(window))
        hypothesis = await self._ask(number, features)
        self._vote.hear(number, hypothesis.language, hypothesis.language_confidence)
        if not self._options.multilingual:
            language = (await self._vote.decided()).language
            if hypothesis.language != language:
                hypothesis = await self._ask(number, features)
        return window, window_segments(
            self._processor.tokenizer, hypothesis, features.shape[1], self._options
        )

    def _features(self, window: Excerpt) -> Features:
        spectrogram = self._processor.spectrogram(window.cut(self._samples))
        return spectrogram[: spectrogram.frames]

    async def _ask(self, number: int, features: Features) -> Hypothesis:
        changes: dict[str, Any] = {"word_timestamps": aligns_words(self._options)}
        if number > 0:
            changes["prefix"] = None
        if self._options.language is None and not self._options.multilingual and self._vote.decision:
            changes["language"] = self._vote.decision.language
        return await self._cores.hypothesis(features, WindowOptions.of(self._options, **changes))
