"""What is asked of the server, and how its events are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from pydantic import ValidationError

from triologue.protocol.deadline import Deadline
from triologue.schema import (
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    Event,
    InternalError,
    InvalidOption,
    PyannoteSpeakerDiarizationParams,
    Result,
    ResultEvent,
    TranscriptionResult,
    WhisperParams,
    parse_event,
    parse_parameters,
    to_parameters,
)
from triologue.schema.base import WireModel
from triologue.schema.parameters import Scalar

STREAM_MODEL, INPUT, OUTPUT = "diarized_asr_stream", "AUDIO", "EVENT"
PUBLIC_MODELS = ("transcription", "diarization", "diarized_asr")

Pipeline = Literal["diarized_asr", "transcription", "diarization"]
"""What the stream model is asked for; the public models have the same names."""

Events = Literal["all", "result"]
"""Every event, or the answer alone."""

AnyResult = TypeVar("AnyResult", bound=Result)


@dataclass(frozen=True)
class Request(Generic[AnyResult]):
    """One call of the stream model, but for the recording."""

    pipeline: Pipeline
    """What is asked for."""
    options: Mapping[str, Scalar]
    """The options that were given, as Triton request parameters."""
    result_type: type[AnyResult]
    """What the answer is."""
    events: Events
    """Every event, or the answer alone."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the request is called, and whose trace it belongs to, as HTTP has it."""

    @property
    def parameters(self) -> dict[str, Scalar]:
        """Triton request parameters, but for when the call must have ended."""
        own: dict[str, Scalar] = {"pipeline": self.pipeline, "events": self.events, "heartbeat": True}
        return {**self.options, **own, **self.headers}

    def within(self, deadline: Deadline) -> dict[str, Scalar]:
        """All Triton request parameters, and how long the server may take."""
        return {**self.parameters, "timeout_s": round(max(deadline.left, 0.001), 3)}

    def read(self, text: str | bytes) -> Event:
        """Read an event.

        Raises:
            InternalError: It is not the JSON this client knows, or the answer to something else.
        """
        try:
            event = parse_event(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "JSON"
            raise self._unknown(f"{where}: {first['msg']}") from error
        if isinstance(event, ResultEvent) and type(event.result) is not self.result_type:
            raise self._unknown(f"it is a {event.result.type}")
        return event

    def _unknown(self, why: str) -> InternalError:
        return InternalError(
            f"the answer to {self.pipeline!r} cannot be read ({why}); "
            "client and server may be of different versions"
        )


AnyAnswer = TranscriptionResult | DiarizationResult

PIPELINES: dict[str, tuple[type[WireModel], type[AnyAnswer]]] = {
    "diarized_asr": (DiarizedAsrOptions, DiarizedTranscriptionResult),
    "transcription": (WhisperParams, TranscriptionResult),
    "diarization": (PyannoteSpeakerDiarizationParams, DiarizationResult),
}
"""The options that each pipeline takes, and its answer."""


def transcription(
    options: WhisperParams | None, fields: Mapping[str, object], events: Events
) -> Request[TranscriptionResult]:
    """Ask what is said.

    Raises:
        InvalidOption: A field does not exist or is out of range; the message names it.
    """
    parameters = _parameters(WhisperParams, options, fields)
    return Request("transcription", parameters, TranscriptionResult, events)


def translation(
    options: WhisperParams | None, fields: Mapping[str, object], events: Events
) -> Request[TranscriptionResult]:
    """Ask what is said, in English. Raises what `transcription` raises."""
    if fields.get("task", "translate") != "translate":
        raise InvalidOption("task: a translation has the task 'translate'")
    return transcription(options, {**fields, "task": "translate"}, events)


def diarization(
    options: PyannoteSpeakerDiarizationParams | None, fields: Mapping[str, object], events: Events
) -> Request[DiarizationResult]:
    """Ask who speaks when. Raises what `transcription` raises."""
    parameters = _parameters(PyannoteSpeakerDiarizationParams, options, fields)
    return Request("diarization", parameters, DiarizationResult, events)


def diarized_transcription(
    options: DiarizedAsrOptions | None, fields: Mapping[str, object], events: Events
) -> Request[DiarizedTranscriptionResult]:
    """Ask who says what. Raises what `transcription` raises."""
    parameters = _parameters(DiarizedAsrOptions, options, fields)
    return Request("diarized_asr", parameters, DiarizedTranscriptionResult, events)


def any_of(
    pipeline: Pipeline,
    options: WhisperParams | PyannoteSpeakerDiarizationParams | None,
    fields: Mapping[str, object],
    events: Events,
) -> Request[AnyAnswer]:
    """Ask for what `pipeline` says. Raises what `transcription` raises.

    Raises:
        InvalidOption: There is no such pipeline, or it does not take an option.
    """
    if pipeline not in PIPELINES:
        raise InvalidOption(f"pipeline: give one of {', '.join(PIPELINES)} (got {pipeline!r})")
    option_type, result_type = PIPELINES[pipeline]
    return Request(pipeline, _parameters(option_type, options, fields), result_type, events)


def _parameters(
    kind: type[WireModel], options: WireModel | None, fields: Mapping[str, object]
) -> dict[str, Scalar]:
    given = {} if options is None else {name: getattr(options, name) for name in options.model_fields_set}
    return to_parameters(parse_parameters(kind, {**given, **fields}))
