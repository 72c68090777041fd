"""One request by the client, and what is measured of it."""

import time
from dataclasses import dataclass

from benchmarks.locust.clips import Clip
from benchmarks.locust.mix import Kind
from triologue import Client, ResultEvent, SegmentEvent
from triologue.schema import Result


@dataclass(frozen=True)
class Answer:
    """What was measured of a request that was answered. Times in seconds."""

    latency: float
    """From the call to its answer."""
    processing: float
    """What the server says that it took, from the start of decoding to the answer."""
    first_segment: float | None
    """From the call to the first segment, if the answer was a stream that had one."""

    @property
    def outside(self) -> float:
        """What the request spent outside of the processing: on its way, and in the queue of the pipeline."""
        return max(0.0, self.latency - self.processing)


def ask(client: Client, kind: Kind, clip: Clip, language: str | None) -> Answer:
    """Make a call, and wait for its answer.

    Args:
        client: Of the server.
        kind: What is asked for.
        clip: The recording.
        language: Language code of recordings that have none of their own; `None` to have it detected.

    Raises:
        TriologueError: The call failed.
    """
    language = clip.language or language
    began = time.perf_counter()
    first: float | None = None
    result: Result
    match kind:
        case Kind.DIARIZED:
            result = client.transcribe_diarized(clip.audio, language=language)
        case Kind.TRANSCRIPTION:
            result = client.transcribe(clip.audio, language=language)
        case Kind.DIARIZATION:
            result = client.diarize(clip.audio)
        case Kind.STREAM:
            for event in client.stream(clip.audio, language=language):
                if isinstance(event, SegmentEvent) and first is None:
                    first = time.perf_counter() - began
                elif isinstance(event, ResultEvent):
                    result = event.result
    return Answer(time.perf_counter() - began, result.processing.seconds, first)
