"""Diarization without a server: the conductor and the two networks, in this process."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from tests.conformance.in_process import decode
from triologue.schema import (
    DiarizationResult,
    DiarizedAsrOptions,
    Event,
    PyannoteSpeakerDiarizationParams,
    SpeakerDiarizationSegment,
)
from triologue_server.conductor.run import Run
from triologue_server.diarization.diarization import Diarization, diarize
from triologue_server.diarization.embedding import EmbeddingModel, SpeakersOfSpan
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.spans import AudioOfSpan, spans
from triologue_server.settings import Settings

Samples = NDArray[np.int16]
Turns = list[SpeakerDiarizationSegment]

HOP = 16_000
"""From one window to the next by default: a second."""


@dataclass(frozen=True)
class Heard:
    """What the two networks say of a recording."""

    activity: NDArray[np.uint8]
    """(windows, frames, speakers)."""
    embeddings: NDArray[np.float32]
    """(windows, speakers, dimension)."""
    hop: int
    seconds: float

    def diarized(self, pipeline: SpeakerDiarization, **options: Any) -> Diarization:
        """Say who speaks when."""
        asked = PyannoteSpeakerDiarizationParams(**options)
        return diarize(pipeline, self.activity, self.embeddings, self.hop, self.seconds, asked, {})


@dataclass(frozen=True)
class Networks:
    """The two networks, as the conductor calls them and by themselves."""

    segmentation: SegmentationModel
    embedding: EmbeddingModel

    async def activity(self, span: Samples, hop: int) -> NDArray[np.uint8]:
        return self.segmentation.activity([AudioOfSpan(span, hop)])[0]

    async def embeddings(self, span: Samples, hop: int, activity: NDArray[np.uint8]) -> NDArray[np.float32]:
        (embeddings,) = self.embedding.embed([SpeakersOfSpan(AudioOfSpan(span, hop), activity)])
        return embeddings[: len(activity)]

    def hear(self, samples: Samples, hop: int = HOP) -> Heard:
        """Return what they say of a recording, span by span."""
        activity, embeddings = [], []
        for span in spans(len(samples), hop):
            audio = AudioOfSpan(samples[span.start : span.stop], hop)
            (active,) = self.segmentation.activity([audio])
            (voices,) = self.embedding.embed([SpeakersOfSpan(audio, active)])
            activity.append(active[: span.windows])
            embeddings.append(voices[: span.windows])
        heard = Heard(np.concatenate(activity), np.concatenate(embeddings), hop, len(samples) / 16_000)
        for array in (heard.activity, heard.embeddings):
            array.setflags(write=False)
        return heard

    def diarize(self, pipeline: SpeakerDiarization, upload: bytes, **options: Any) -> DiarizationResult:
        """Send a file through the conductor."""

        async def ignore(event: Event) -> None:
            pass

        async def run(pool: ThreadPoolExecutor) -> DiarizationResult:
            limits, asked = Settings(profile="embedded").limits, DiarizedAsrOptions(**options)
            run = Run("diarization", asked, self, decode, pipeline, None, limits, pool, pool, ignore)
            answer = await run.answer(upload)
            assert isinstance(answer, DiarizationResult)
            return answer

        with ThreadPoolExecutor(1) as pool:
            return asyncio.run(run(pool))


def speakers(turns: Iterable[SpeakerDiarizationSegment]) -> list[str]:
    """In order of first appearance."""
    return list(dict.fromkeys(turn.speaker for turn in turns))


def annotation(turns: Iterable[SpeakerDiarizationSegment]) -> Annotation:
    """As pyannote's metrics take them."""
    made = Annotation()
    for number, turn in enumerate(turns):
        made[Segment(turn.time_interval.start, turn.time_interval.end), number] = turn.speaker
    return made


def error_rate(turns: Turns, reference: Annotation, seconds: float = 30.0) -> float:
    """Diarization error rate without a collar, overlapped speech included."""
    rate = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    return float(rate(reference, annotation(turns), uem=Timeline([Segment(0.0, seconds)])))


def assert_in_order_and_inside(turns: Turns, seconds: float) -> None:
    """Assert what holds for the turns of any recording."""
    times = [(turn.time_interval.start, turn.time_interval.end) for turn in turns]
    assert times == sorted(times)
    assert all(0.0 <= start < end <= seconds for start, end in times)
    for speaker in speakers(turns):
        own = [turn.time_interval for turn in turns if turn.speaker == speaker]
        assert all(one.end <= other.start for one, other in pairwise(own))
