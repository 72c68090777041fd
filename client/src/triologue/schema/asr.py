"""What was said, when, and by whom: words, segments and speaker turns. All times are in seconds."""

from pydantic import Field

from triologue.schema.base import AnswerModel


class TimeInterval(AnswerModel):
    """A span of time in seconds from the start of the recording."""

    start: float = Field(ge=0.0)
    """Start, in seconds."""
    end: float = Field(ge=0.0)
    """End, in seconds."""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def overlap(self, other: "TimeInterval") -> float:
        """Seconds shared with `other`; 0.0 when they do not touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


class AsrWord(AnswerModel):
    """One word of a transcript."""

    word: str
    """The text, with the leading space that separates it from the word before, as Whisper writes it."""
    speaker: str | None = None
    """Label of the speaker, `None` when it was not diarized."""
    time_interval: TimeInterval
    """When the word was said."""
    alignment_confidence: float = Field(ge=0.0, le=1.0)
    """Mean probability of the word's tokens, 0.0 to 1.0."""
    speaker_confidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """Probability that it is the speaker's, 0.0 to 1.0, `None` when it was not worked out."""
    overlapped: bool = False
    """Several speak at once while it is said."""


class AsrSegment(AnswerModel):
    """A stretch of transcript: a phrase of Whisper's, or after diarization the words of one speaker."""

    text: str
    """The text of the segment."""
    time_interval: TimeInterval
    """When the segment was said."""
    confidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """exp(average log-probability of the segment's tokens), 0.0 to 1.0."""
    no_speech_confidence: float | None = Field(default=None, ge=0.0, le=1.0)
    """Probability that the segment holds no speech, 0.0 to 1.0."""
    words: list[AsrWord] = Field(default_factory=list)
    """The words, when word timestamps were asked for."""
    speaker: str | None = None
    """Label of the speaker, `None` when it was not diarized."""


class AsrTranscriptionInfo(AnswerModel):
    """The language of a transcript."""

    language: str = ""
    """Language code such as "en"; "silence" when the recording holds no speech."""
    language_confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    """Probability of the language, 0.0 to 1.0; 1.0 when the caller named it."""


class AsrTranscription(AnswerModel):
    """The whole transcript as one text."""

    text: str = ""
    """The text."""


class SpeakerDiarizationSegment(AnswerModel):
    """One speaker turn."""

    time_interval: TimeInterval
    """When the turn was spoken."""
    speaker: str
    """Label of the speaker: "SPEAKER_00", "SPEAKER_01", ..., or the name of one who is known."""
