"""faster-whisper in this process: what the service is measured against."""

import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.transcribe import Segment
from numpy.typing import NDArray

from triologue import AsrSegment, AsrWord, TimeInterval
from triologue_server.settings import WhisperSettings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.transcription.cuda import preload_cublas

Audio = bytes | NDArray[np.float32]
"""An encoded file, or samples of -1.0 to 1.0 at 16 kHz."""


class Peers:
    """One Whisper model in the two ways that faster-whisper runs it. For one thread.

    Args:
        settings: The service's: same model, device, number format and number of CPU threads.
        store: Where the model is.
    """

    def __init__(self, settings: WhisperSettings, store: ModelStore) -> None:
        if settings.device == "cuda":
            preload_cublas()
        self._model = WhisperModel(
            str(store.require(resolve_whisper(settings.model))),
            device=settings.device,
            compute_type=settings.compute_type.value,
            cpu_threads=settings.threads,
        )
        self._batched = BatchedInferencePipeline(self._model)

    def transcribe(self, audio: Audio, **options: Any) -> list[Segment]:
        """Transcribe a recording window by window, by `WhisperModel`."""
        segments, _ = self._model.transcribe(_opened(audio), **options)
        return list(segments)

    def transcribe_batched(self, audio: Audio, **options: Any) -> list[Segment]:
        """Transcribe many windows of a recording at once, by `BatchedInferencePipeline`."""
        segments, _ = self._batched.transcribe(_opened(audio), **options)
        return list(segments)


def asr_segments(segments: Iterable[Segment]) -> list[AsrSegment]:
    """Return segments with timed words in the form of the service."""
    return [
        AsrSegment(
            text=segment.text,
            time_interval=TimeInterval(start=segment.start, end=segment.end),
            confidence=min(1.0, math.exp(segment.avg_logprob)),
            no_speech_confidence=segment.no_speech_prob,
            words=[
                AsrWord(
                    word=word.word,
                    time_interval=TimeInterval(start=word.start, end=word.end),
                    alignment_confidence=word.probability,
                )
                for word in segment.words or ()
            ],
        )
        for segment in segments
    ]


def _opened(audio: Audio) -> Any:
    return io.BytesIO(audio) if isinstance(audio, bytes) else audio
