"""The voices of phrases, heard while the transcript is written."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from triologue.schema import AsrSegment
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.flow import bounded_map, drain
from triologue_server.diarization.phrases import HOP, Phrase, PhrasesOfSpan, lay_out, phrases


class PhraseListener:
    """Embeds the phrases of one recording.

    Args:
        samples: The recording's, (samples,) at 16 kHz.
        cores: Where the embedding network is.
        spans_in_flight: How many spans it may have at once.
    """

    def __init__(self, samples: NDArray[np.int16], cores: Cores, spans_in_flight: int) -> None:
        self._samples = samples
        self._cores = cores
        self._spans_in_flight = spans_in_flight
        self._written: asyncio.Queue[list[Phrase] | None] = asyncio.Queue()
        self._embeddings: list[NDArray[np.float32]] = []
        self.phrases: list[Phrase] = []
        """Those that have been written so far."""

    def write(self, segments: Iterable[AsrSegment]) -> None:
        """Take the next segments of the transcript."""
        found = list(phrases([word for segment in segments for word in segment.words]))
        self.phrases += found
        self._written.put_nowait(found)

    def finish(self) -> None:
        """Say that the transcript is complete."""
        self._written.put_nowait(None)

    async def listen(self) -> None:
        """Embed the phrases as they are written, to the last."""
        embedded = bounded_map(self._embed, self._spans(), self._spans_in_flight)
        async with aclosing(embedded):
            async for embeddings in embedded:
                self._embeddings.append(embeddings)
        self._samples = np.empty(0, np.int16)

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """The vector of each phrase, (phrases, dimension); not a number where it cannot be heard."""
        return np.concatenate(self._embeddings) if self._embeddings else np.empty((0, 0), np.float32)

    async def _spans(self) -> AsyncIterator[PhrasesOfSpan]:
        async for found in drain(self._written):
            for span in lay_out(found, len(self._samples)):
                yield span

    async def _embed(self, span: PhrasesOfSpan) -> NDArray[np.float32]:
        embeddings = await self._cores.embeddings(self._samples[span.start : span.stop], HOP, span.activity)
        windows, speakers = zip(*span.places, strict=True)
        return embeddings[list(windows), list(speakers)]
