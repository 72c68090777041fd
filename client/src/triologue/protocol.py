"""What a call sends and how its reply is read, without any I/O: the part that every client shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import ValidationError

from triologue.schema import (
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    InternalError,
    InvalidAudio,
    KnownSpeaker,
    PayloadTooLarge,
    PyannoteSpeakerDiarizationParams,
    Result,
    TranscriptionResult,
    WhisperParams,
    parse_parameters,
    to_parameters,
)
from triologue.schema.base import WireModel
from triologue.schema.parameters import Scalar

INPUT, OUTPUT = "AUDIO", "RESULT"
STREAM_MODEL, EVENT = "diarized_asr_stream", "EVENT"
PUBLIC_MODELS = ("transcription", "diarization", "diarized_asr")

# A protobuf message ends at 2 GiB; the rest is room for its other fields.
MAX_AUDIO_BYTES = 2**31 - 2**20

AnyResult = TypeVar("AnyResult", bound=Result)
Answer = TypeVar("Answer", bound=WireModel)


class _Answered(WireModel, Generic[AnyResult]):
    """A `ResultEvent` whose result is of a known type."""

    type: Literal["result"]
    result: AnyResult


@dataclass(frozen=True)
class Request(Generic[AnyResult]):
    """One call: of a public model, or of the stream model for what that would answer."""

    model: str
    """Name of the public Triton model."""
    parameters: Mapping[str, Scalar]
    """The options, as Triton request parameters."""
    audio: bytes
    """The encoded recording."""
    result_type: type[AnyResult]
    """What the model answers."""

    @property
    def stream_parameters(self) -> dict[str, Scalar]:
        """The parameters with which the stream model gives the same answer, and no other event."""
        return {**self.parameters, "pipeline": self.model, "events": "result"}

    def read(self, reply: bytes) -> AnyResult:
        """Read the answer out of the bytes of the public model's output.

        Raises:
            InternalError: The answer is not the JSON this client knows.
        """
        return self._read(self.result_type, reply)

    def read_event(self, event: bytes) -> AnyResult:
        """Read the answer out of the only event of the stream model. Raises what `read` raises."""
        answered: _Answered[AnyResult] = self._read(_Answered[self.result_type], event)  # type: ignore[name-defined]
        return answered.result

    def _read(self, kind: type[Answer], text: bytes) -> Answer:
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "JSON"
            raise InternalError(
                f"the answer of {self.model!r} cannot be read ({where}: {first['msg']}); "
                "client and server may be of different versions"
            ) from error


class ServerHealth(WireModel):
    """What a server says about itself."""

    live: bool
    """The server answers."""
    ready: bool
    """Every model the server was told to load is loaded."""
    models: dict[str, bool]
    """Whether each public model takes requests."""
    version: str
    """Version of the Triton server."""


def transcription(
    audio: bytes, options: WhisperParams | None = None, fields: Mapping[str, object] | None = None
) -> Request[TranscriptionResult]:
    """Build the call of the model `transcription`.

    Raises:
        InvalidOption: A field does not exist or is out of range; the message names it.
        PayloadTooLarge: The recording does not fit one message.
    """
    return _request("transcription", audio, WhisperParams, options, fields, TranscriptionResult)


def diarization(
    audio: bytes,
    options: PyannoteSpeakerDiarizationParams | None = None,
    fields: Mapping[str, object] | None = None,
) -> Request[DiarizationResult]:
    """Build the call of the model `diarization`. Raises what `transcription` raises."""
    return _request(
        "diarization", audio, PyannoteSpeakerDiarizationParams, options, fields, DiarizationResult
    )


def diarized_transcription(
    audio: bytes, options: DiarizedAsrOptions | None = None, fields: Mapping[str, object] | None = None
) -> Request[DiarizedTranscriptionResult]:
    """Build the call of the model `diarized_asr`. Raises what `transcription` raises."""
    return _request("diarized_asr", audio, DiarizedAsrOptions, options, fields, DiarizedTranscriptionResult)


def enrolment(audio: bytes, name: str) -> Request[DiarizationResult]:
    """Build the call of the model `diarization` that hears the voice of one person.

    Raises what `transcription` raises.
    """
    _known_speaker(name, (1.0,))  # A name that will be refused is not worth the server's work.
    return diarization(audio, fields={"num_speakers": 1, "speaker_embeddings": True})


def enrolled(result: DiarizationResult, name: str, recording: str) -> KnownSpeaker:
    """Read the voice out of the answer to `enrolment`.

    Raises:
        InvalidAudio: Nobody speaks in the recording; the message names it.
    """
    embedding = next(iter(result.speaker_embeddings.values()), None)
    if embedding is None:
        raise InvalidAudio(f"{recording}: nobody speaks in it for long enough to know their voice")
    return _known_speaker(name, embedding)


def _known_speaker(name: str, embedding: tuple[float, ...]) -> KnownSpeaker:
    return parse_parameters(KnownSpeaker, {"name": name, "embedding": embedding})


def _request(
    model: str,
    audio: bytes,
    option_type: type[WireModel],
    options: WireModel | None,
    fields: Mapping[str, object] | None,
    result_type: type[AnyResult],
) -> Request[AnyResult]:
    if len(audio) > MAX_AUDIO_BYTES:
        raise PayloadTooLarge(f"{len(audio)} bytes do not fit one request of at most {MAX_AUDIO_BYTES} bytes")
    given = {} if options is None else {name: getattr(options, name) for name in options.model_fields_set}
    parsed = parse_parameters(option_type, {**given, **(fields or {})})
    return Request(model, to_parameters(parsed), audio, result_type)
