"""Diarizing a recording: its spans through the two networks, side by side, and then all of them together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import aclosing
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.audio import SAMPLE_RATE
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.flow import bounded_map, drain, in_thread
from triologue_server.diarization.diarization import Diarization, Voice, diarize
from triologue_server.diarization.spans import Span, hop_of, spans

Heard = Callable[[Literal["segmentation", "embedding"], int], Awaitable[None]]
"""Told up to which sample a network has heard the recording."""


class Diarizer:
    """Diarizes one recording.

    `listen` and `embed` run side by side, and `activity` can be read meanwhile; then comes `cluster`.

    Args:
        samples: The recording's, (samples,) at 16 kHz.
        options: Of the caller.
        cores: Where the networks are.
        pipeline: pyannote's, for all but its networks.
        spans_in_flight: How many spans each network may have at once.
        clustering: Threads for clustering.
        heard: Told how far the networks are.
    """

    def __init__(
        self,
        samples: NDArray[np.int16],
        options: PyannoteSpeakerDiarizationParams,
        cores: Cores,
        pipeline: SpeakerDiarization,
        spans_in_flight: int,
        clustering: Executor,
        heard: Heard,
    ) -> None:
        self._samples = samples
        self._duration = round(len(samples) / SAMPLE_RATE, 3)
        self._options = options
        self._cores = cores
        self._pipeline = pipeline
        self._spans_in_flight = spans_in_flight
        self._clustering = clustering
        self._heard = heard
        self._hop = hop_of(options.segmentation_step)
        self._activity: list[NDArray[np.uint8]] = []
        self._embeddings: list[NDArray[np.float32]] = []
        self._to_embed: asyncio.Queue[tuple[Span, NDArray[np.uint8]] | None] = asyncio.Queue()
        self._found_active: asyncio.Queue[NDArray[np.uint8] | None] = asyncio.Queue()

    @property
    def hop(self) -> int:
        """From one window to the next, in samples."""
        return self._hop

    def activity(self) -> AsyncIterator[NDArray[np.uint8]]:
        """Yield who is active in each span, as it is found: (windows, frames, speakers)."""
        return drain(self._found_active)

    async def listen(self) -> None:
        """Find who is active in each span."""
        segmented = bounded_map(self._segment, self._spans(), self._spans_in_flight)
        async with aclosing(segmented):
            async for span, activity in segmented:
                self._activity.append(activity)
                self._to_embed.put_nowait((span, activity))
                self._found_active.put_nowait(activity)
                await self._heard("segmentation", span.stop)
        self._to_embed.put_nowait(None)
        self._found_active.put_nowait(None)

    async def embed(self) -> None:
        """Embed the voices of each span."""
        embedded = bounded_map(self._embed, drain(self._to_embed), self._spans_in_flight)
        async with aclosing(embedded):
            async for span, embeddings in embedded:
                self._embeddings.append(embeddings)
                await self._heard("embedding", span.stop)
        # Clustering takes memory of its own, and needs none of these.
        self._samples = np.empty(0, np.int16)

    async def cluster(self, known: Mapping[str, Voice]) -> Diarization:
        """Put the voices of the whole recording together.

        Args:
            known: Voices that have a name.
        """
        activity, embeddings = np.concatenate(self._activity), np.concatenate(self._embeddings)
        self._activity.clear()
        self._embeddings.clear()
        return await in_thread(
            self._clustering,
            partial(
                diarize,
                self._pipeline,
                activity,
                embeddings,
                self._hop,
                self._duration,
                self._options,
                known,
            ),
        )

    async def _spans(self) -> AsyncIterator[Span]:
        for span in spans(len(self._samples), self._hop):
            yield span

    async def _segment(self, span: Span) -> tuple[Span, NDArray[np.uint8]]:
        activity = await self._cores.activity(self._samples[span.start : span.stop], self._hop)
        return span, activity[: span.windows]

    async def _embed(self, work: tuple[Span, NDArray[np.uint8]]) -> tuple[Span, NDArray[np.float32]]:
        span, activity = work
        samples = self._samples[span.start : span.stop]
        return span, await self._cores.embeddings(samples, self._hop, activity)
