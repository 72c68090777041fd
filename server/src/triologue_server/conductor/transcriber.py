"""Transcribing a recording: where its speech is, and what is said there, in the mode the caller wants."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from concurrent.futures import Executor
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from triologue.schema import AsrSegment, AsrTranscriptionInfo, WhisperParams
from triologue_server.conductor.batched import BatchedTranscription
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.diarizer import Diarizer
from triologue_server.conductor.flow import each_in_thread, in_thread
from triologue_server.conductor.sequential import SequentialTranscription
from triologue_server.conductor.speech import Region, SpeechFinder
from triologue_server.conductor.vad import speech_regions
from triologue_server.conductor.windows import Excerpt, WindowPacker, even_regions
from triologue_server.transcription.processor import WhisperProcessor

Transcribed = tuple[list[AsrSegment], int]
"""Segments, and the sample up to which the recording was heard."""


class Transcriber:
    """Transcribes one recording.

    Args:
        samples: The recording's.
        options: The caller's.
        cores: Where Whisper is.
        processor: Of its model.
        windows_in_flight: How many windows may be under way at once.
        pool: Threads for speech detection and features.
        diarizer: Who finds out who is active in it, if it is diarized.
    """

    def __init__(
        self,
        samples: NDArray[np.int16],
        options: WhisperParams,
        cores: Cores,
        processor: WhisperProcessor,
        windows_in_flight: int,
        pool: Executor,
        diarizer: Diarizer | None = None,
    ) -> None:
        self._samples = samples
        self._options = options
        self._cores = cores
        self._processor = processor
        self._windows_in_flight = windows_in_flight
        self._pool = pool
        self._diarizer = diarizer
        self.language: AsrTranscriptionInfo | None = None
        """The language, once all is transcribed; `None` if there is no speech."""

    async def transcribe(self) -> AsyncGenerator[Transcribed, None]:
        """Yield segments in order of time, as they are known."""
        transcribed = self._batched() if self._options.mode == "batched" else self._sequential()
        async with aclosing(transcribed):
            async for segments, heard in transcribed:
                yield segments, heard

    async def _batched(self) -> AsyncGenerator[Transcribed, None]:
        transcription = BatchedTranscription(
            self._samples, self._options, self._cores, self._processor, self._windows_in_flight, self._pool
        )
        async with aclosing(transcription.transcribe(self._windows())) as transcribed:
            async for segments, heard in transcribed:
                yield segments, heard
        self.language = transcription.language

    async def _windows(self) -> AsyncIterator[Excerpt]:
        packer = WindowPacker()
        async for regions in self._regions():
            for window in packer.add(regions):
                yield window
        for window in packer.finish():
            yield window

    async def _sequential(self) -> AsyncGenerator[Transcribed, None]:
        regions = [region async for found in self._regions() for region in found]
        if not regions:
            return
        speech = Excerpt(tuple(regions))
        spectrogram = await in_thread(
            self._pool, lambda: self._processor.spectrogram(speech.cut(self._samples))
        )
        transcription = SequentialTranscription(
            spectrogram, self._options, self._cores, self._processor, self._pool
        )
        async with aclosing(transcription.transcribe()) as transcribed:
            async for segments, heard in transcribed:
                yield speech.restore(segments), speech.sample_at(heard)
        self.language = transcription.language

    async def _regions(self) -> AsyncIterator[Iterable[Region]]:
        """Yield the regions to transcribe as they are found.

        Batched windows follow the activity that diarization has found already, where there is one.
        """
        options, num_samples = self._options, len(self._samples)
        is_batched = options.mode == "batched"
        if options.clip_timestamps or not options.vad_filter:
            # A window that slides keeps to the clips by itself.
            whole = [Region(0, num_samples)]
            yield even_regions(num_samples, options.clip_timestamps) if is_batched else whole
        elif is_batched and self._diarizer is not None:
            finder = SpeechFinder(num_samples, self._diarizer.hop, options.vad_parameters)
            async for activity in self._diarizer.activity():
                yield finder.add(activity)
            yield finder.finish()
        else:
            async for found in each_in_thread(self._pool, speech_regions(self._samples, options)):
                yield found
