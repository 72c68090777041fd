"""What the public models answer, and how it is written down: each format is in `triologue.formats`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from triologue.schema.asr import (
    AsrSegment,
    AsrTranscription,
    AsrTranscriptionInfo,
    AsrWord,
    SpeakerDiarizationSegment,
)
from triologue.schema.base import AnswerModel

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyannote.core import Annotation

    from triologue.audio import Audio
    from triologue.layout.cues import CueStyle

RECORDING = "recording"
"""What a recording is called in formats that name it, unless the caller does."""


class AudioInfo(AnswerModel):
    """The recording that was sent."""

    duration: float = Field(ge=0.0)
    """Length in seconds."""
    sample_rate: int = Field(ge=0)
    """Sample rate of the upload, in Hz."""
    channels: int = Field(ge=0)
    """Channels of the upload; they are mixed down to one."""


Stage = Literal["decoding", "segmentation", "embedding", "clustering", "transcription", "attribution"]
"""What is done: the upload decoded, the active speakers heard, their voices embedded and clustered, the words
written down, and given to speakers."""


class ProcessingInfo(AnswerModel):
    """How the answer was made."""

    seconds: float = Field(ge=0.0)
    """Time from the start of decoding to the answer, in seconds."""
    rtfx: float = Field(ge=0.0)
    """Audio seconds per processing second: the real-time factor."""
    stages: dict[str, float] = Field(default_factory=dict)
    """Seconds from the start of each `Stage` to its end, waiting included; some run side by side."""
    request_id: str | None = None
    """What the request is called in the log and the traces of the server."""


class Result(AnswerModel):
    """What every answer says."""

    audio: AudioInfo
    """The recording."""
    processing: ProcessingInfo
    """How long it took."""
    warnings: list[str] = Field(default_factory=list)
    """What the caller should know, such as a number of speakers that could not be met."""

    def to_txt(self) -> str:
        """Write one line a segment or turn, such as `[00:00:06.690 → 00:00:07.120] SPEAKER_00  Hello`."""
        from triologue.formats.text import to_txt

        return to_txt(self)

    def to_srt(self, style: CueStyle | None = None) -> str:
        """Write SubRip subtitles, which begin with their speakers unless the style says otherwise."""
        from triologue.formats.srt import SRT_STYLE, to_srt

        return to_srt(self, style or SRT_STYLE)

    def to_vtt(self, style: CueStyle | None = None) -> str:
        """Write WebVTT subtitles, whose speakers are their voices."""
        from triologue.formats.vtt import VTT_STYLE, to_vtt

        return to_vtt(self, style or VTT_STYLE)

    def to_tsv(self) -> str:
        """Write a table: `start` and `end` in milliseconds, `text`, and `speaker` where it is known."""
        from triologue.formats.tsv import to_tsv

        return to_tsv(self)

    def to_json(self) -> str:
        """Write everything as JSON, which `model_validate_json` of the same class reads."""
        from triologue.formats.as_json import to_json

        return to_json(self)

    def to_markdown(self, title: str | None = None) -> str:
        """Write a title and paragraphs with their speakers and times, or turns."""
        from triologue.formats.markdown import to_markdown

        return to_markdown(self, title)

    def to_html(self, *, title: str | None = None, audio: Audio | None = None) -> str:
        """Write a page that plays the recording, shows who speaks when, and follows the words.

        Nothing else is needed to open it. Without `audio` the page asks for the recording.

        Raises:
            OSError: The path of the recording cannot be read.
        """
        from triologue.formats.html import to_html

        return to_html(self, title=title, audio=audio)


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

    @property
    def words(self) -> list[AsrWord]:
        """The words of all segments, in their order; none where they were not asked for."""
        return [word for segment in self.segments for word in segment.words]

    def to_ctm(self, recording: str = RECORDING) -> str:
        """Write a line a word, as NIST's tools read it.

        Raises:
            ValueError: There are no words: they come with `word_timestamps`, or with a diarization.
        """
        from triologue.formats.nist import to_ctm

        return to_ctm(self, recording)

    def to_stm(self, recording: str = RECORDING) -> str:
        """Write a line a segment, as NIST's tools and meeteval read it."""
        from triologue.formats.nist import to_stm

        return to_stm(self, recording)

    def to_dataframe(self, rows: Literal["segments", "words", "turns"] = "segments") -> DataFrame:
        """Return a table of pandas with times in seconds, of segments, words, or the turns of a diarization.

        Raises:
            ImportError: pandas is not installed.
            ValueError: The result has no such rows.
        """
        from triologue.formats.objects import to_dataframe

        return to_dataframe(self, rows)


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

    def to_rttm(self, recording: str = RECORDING) -> str:
        """Write a line a turn, as tools that score diarizations read it."""
        from triologue.formats.nist import to_rttm

        return to_rttm(self, recording)

    def to_annotation(self, recording: str = RECORDING) -> Annotation:
        """Return the turns as an annotation of pyannote's.

        Raises:
            ImportError: pyannote.core is not installed.
        """
        from triologue.formats.objects import to_annotation

        return to_annotation(self, recording)


class DiarizationResult(DiarizedResult):
    """Answer of the model `diarization`."""

    type: Literal["diarization"] = "diarization"

    def to_dataframe(self) -> DataFrame:
        """Return a table of pandas with the turns: `start` and `end` in seconds, `speaker`.

        Raises:
            ImportError: pandas is not installed.
        """
        from triologue.formats.objects import to_dataframe

        return to_dataframe(self, "turns")


class DiarizedTranscriptionResult(TranscriptionResult, DiarizedResult):
    """Answer of the model `diarized_asr`: segments and words carry their speaker."""

    type: Literal["diarized_asr"] = "diarized_asr"  # type: ignore[assignment]
