"""What the stream says while it works: `info`, `progress`, `segment`, and at last `result`."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from triologue.schema.asr import AsrSegment
from triologue.schema.base import AnswerModel
from triologue.schema.results import (
    AudioInfo,
    DiarizationResult,
    DiarizedTranscriptionResult,
    TranscriptionResult,
)


class InfoEvent(AnswerModel):
    """The upload was decoded."""

    type: Literal["info"] = "info"
    audio: AudioInfo
    """The recording."""


class ProgressEvent(AnswerModel):
    """A part of the work is done."""

    type: Literal["progress"] = "progress"
    stage: Literal["segmentation", "transcription", "embedding"]
    """Which part."""
    completed: float = Field(ge=0.0)
    """Seconds of audio that went through it."""
    total: float = Field(ge=0.0)
    """Seconds of audio that will go through it."""


class SegmentEvent(AnswerModel):
    """A segment was transcribed. Its speaker is known in the result alone."""

    type: Literal["segment"] = "segment"
    segment: AsrSegment
    """The segment."""


class ResultEvent(AnswerModel):
    """The answer; the last event of a stream."""

    type: Literal["result"] = "result"
    result: Annotated[
        TranscriptionResult | DiarizationResult | DiarizedTranscriptionResult, Field(discriminator="type")
    ]
    """The same answer the unary model gives."""


Event = InfoEvent | ProgressEvent | SegmentEvent | ResultEvent
"""Any of them."""

_event: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])


def parse_event(text: str | bytes) -> Event:
    """Read one event of the stream.

    Raises:
        pydantic.ValidationError: The text is no event.
    """
    return _event.validate_json(text)
