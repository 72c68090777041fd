"""What the public models answer."""

from typing import Literal

from pydantic import Field

from triologue.schema.asr import AsrSegment, AsrTranscription, AsrTranscriptionInfo, SpeakerDiarizationSegment
from triologue.schema.base import WireModel


class AudioInfo(WireModel):
    """The recording that was sent."""

    duration: float = Field(ge=0.0)
    """Length in seconds."""
    sample_rate: int = Field(ge=0)
    """Sample rate of the upload, in Hz."""
    channels: int = Field(ge=0)
    """Channels of the upload; they are mixed down to one."""


class ProcessingInfo(WireModel):
    """How the answer was made."""

    seconds: float = Field(ge=0.0)
    """Time from the start of decoding to the answer, in seconds."""
    rtfx: float = Field(ge=0.0)
    """Audio seconds per processing second: the real-time factor."""


class Result(WireModel):
    """What every answer says."""

    audio: AudioInfo
    """The recording."""
    processing: ProcessingInfo
    """How long it took."""
    warnings: list[str] = Field(default_factory=list)
    """What the caller should know, such as a number of speakers that could not be met."""


class TranscriptionResult(Result):
    """Answer of the model `transcription`."""

    type: Literal["transcription"] = "transcription"
    segments: list[AsrSegment]
    """The transcript, in order of time."""
    transcription_info: AsrTranscriptionInfo
    """Its language."""
    transcription: AsrTranscription
    """Its text."""

    @property
    def text(self) -> str:
        """The whole transcript as one text."""
        return self.transcription.text


class DiarizedResult(Result):
    """What every answer of a diarization says."""

    turns: list[SpeakerDiarizationSegment]
    """Speaker turns in order of time; turns of different speakers may overlap."""
    exclusive_turns: list[SpeakerDiarizationSegment] = Field(default_factory=list)
    """Speaker turns that do not overlap: at any time the most likely speaker alone."""
    speaker_embeddings: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """The vector of each speaker's voice, by label, when they were asked for."""
    known_speakers: dict[str, float] = Field(default_factory=dict)
    """The known names that were given to speakers, each with the cosine similarity of the voices."""

    @property
    def speakers(self) -> list[str]:
        """The labels of the speakers, sorted."""
        return sorted({turn.speaker for turn in self.turns})


class DiarizationResult(DiarizedResult):
    """Answer of the model `diarization`."""

    type: Literal["diarization"] = "diarization"


class DiarizedTranscriptionResult(TranscriptionResult, DiarizedResult):
    """Answer of the model `diarized_asr`: segments and words carry their speaker."""

    type: Literal["diarized_asr"] = "diarized_asr"  # type: ignore[assignment]
