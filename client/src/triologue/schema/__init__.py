"""The wire contract of Triologue: options in, results and events out, and the errors in between.

This package is the one place where the wire format is written. The client and the server both import it;
it needs pydantic alone. Names and fields follow the Aana SDK, so that its users feel at home.
"""

from triologue.schema.asr import (
    AsrSegment,
    AsrTranscription,
    AsrTranscriptionInfo,
    AsrWord,
    SpeakerDiarizationSegment,
    TimeInterval,
)
from triologue.schema.errors import (
    AccessDenied,
    Cancelled,
    DeadlineExceeded,
    ErrorCode,
    InternalError,
    InvalidAudio,
    InvalidOption,
    NotFound,
    PayloadTooLarge,
    ServerOverloaded,
    ServerUnavailable,
    TriologueError,
    server_error,
)
from triologue.schema.events import (
    Event,
    InfoEvent,
    ProgressEvent,
    ResultEvent,
    SegmentEvent,
    parse_event,
)
from triologue.schema.options import (
    AttributionParams,
    BatchedWhisperParams,
    CallParams,
    DiarizedAsrOptions,
    PyannoteSpeakerDiarizationParams,
    StreamParams,
    VadParameters,
    WhisperComputeType,
    WhisperModelSize,
    WhisperParams,
)
from triologue.schema.parameters import parse_parameters, to_parameters
from triologue.schema.results import (
    AudioInfo,
    DiarizationResult,
    DiarizedResult,
    DiarizedTranscriptionResult,
    ProcessingInfo,
    Result,
    TranscriptionResult,
)
from triologue.schema.speakers import KnownSpeaker

__all__ = [
    "AccessDenied",
    "AsrSegment",
    "AsrTranscription",
    "AsrTranscriptionInfo",
    "AsrWord",
    "AttributionParams",
    "AudioInfo",
    "BatchedWhisperParams",
    "CallParams",
    "Cancelled",
    "DeadlineExceeded",
    "DiarizationResult",
    "DiarizedAsrOptions",
    "DiarizedResult",
    "DiarizedTranscriptionResult",
    "ErrorCode",
    "Event",
    "InfoEvent",
    "InternalError",
    "InvalidAudio",
    "InvalidOption",
    "KnownSpeaker",
    "NotFound",
    "PayloadTooLarge",
    "ProcessingInfo",
    "ProgressEvent",
    "PyannoteSpeakerDiarizationParams",
    "Result",
    "ResultEvent",
    "SegmentEvent",
    "ServerOverloaded",
    "ServerUnavailable",
    "SpeakerDiarizationSegment",
    "StreamParams",
    "TimeInterval",
    "TranscriptionResult",
    "TriologueError",
    "VadParameters",
    "WhisperComputeType",
    "WhisperModelSize",
    "WhisperParams",
    "parse_event",
    "parse_parameters",
    "server_error",
    "to_parameters",
]
