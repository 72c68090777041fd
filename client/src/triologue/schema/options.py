"""Options of a request. Each field travels as one Triton request parameter (see `schema.parameters`)."""

import math
from enum import Enum
from itertools import pairwise
from typing import Literal

from pydantic import Field, field_validator, model_validator

from triologue.schema.base import WireModel
from triologue.schema.languages import LANGUAGES
from triologue.schema.speakers import KnownSpeaker

DEFAULT_TEMPERATURES: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class WhisperModelSize(str, Enum):
    """The sizes Whisper was published in."""

    TINY = "tiny"
    TINY_EN = "tiny.en"
    BASE = "base"
    BASE_EN = "base.en"
    SMALL = "small"
    SMALL_EN = "small.en"
    MEDIUM = "medium"
    MEDIUM_EN = "medium.en"
    LARGE_V1 = "large-v1"
    LARGE_V2 = "large-v2"
    LARGE_V3 = "large-v3"
    LARGE = "large"
    TURBO = "turbo"


class WhisperComputeType(str, Enum):
    """The number formats CTranslate2 computes in."""

    INT8 = "int8"
    INT8_FLOAT32 = "int8_float32"
    INT8_FLOAT16 = "int8_float16"
    INT8_BFLOAT16 = "int8_bfloat16"
    INT16 = "int16"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"


class BatchedWhisperParams(WireModel):
    """The options every way of running Whisper takes."""

    language: str | None = None
    """Language code such as "en"; detected when not given."""
    beam_size: int = Field(default=5, ge=1, le=20)
    """Beams kept while decoding at temperature 0."""
    best_of: int = Field(default=5, ge=1, le=20)
    """Candidates sampled while decoding at a temperature above 0."""
    temperature: float | tuple[float, ...] = DEFAULT_TEMPERATURES
    """One temperature from 0.0 to 1.0, or a ladder of them, climbed while a window's decoding fails."""

    @field_validator("language")
    @classmethod
    def _known_language(cls, language: str | None) -> str | None:
        if language is not None and language not in LANGUAGES:
            raise ValueError(f"{language!r} is not a language code Whisper knows, such as 'en' or 'fr'")
        return language

    @field_validator("temperature")
    @classmethod
    def _from_zero_to_one(cls, temperature: float | tuple[float, ...]) -> float | tuple[float, ...]:
        ladder = temperature if isinstance(temperature, tuple) else (temperature,)
        if not ladder or not all(0.0 <= rung <= 1.0 for rung in ladder):
            raise ValueError("give one temperature from 0.0 to 1.0, or a list of them")
        return temperature

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The ladder of temperatures, lowest rung first, also when one value was given."""
        return self.temperature if isinstance(self.temperature, tuple) else (self.temperature,)


class VadParameters(WireModel):
    """What counts as speech. Names are faster-whisper's; what is `None` is up to the mode."""

    threshold: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Speech begins where it is at least this probable; 0.5 by default."""
    neg_threshold: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Speech ends where it is less probable than this; `threshold` or somewhat less by default."""
    min_speech_duration_ms: int | None = Field(default=None, ge=0, le=60_000)
    """Shorter speech is left out; 0 by default."""
    max_speech_duration_s: float | None = Field(default=None, ge=1.0, le=86_400.0)
    """Longer speech is divided, at a silence if there is one; never longer than a window in batched mode."""
    min_silence_duration_ms: int | None = Field(default=None, ge=0, le=60_000)
    """Shorter silence does not divide speech; 2000 in sequential mode by default."""
    speech_pad_ms: int | None = Field(default=None, ge=0, le=10_000)
    """Room left at both ends of speech; 400 by default."""

    @model_validator(mode="after")
    def _agree(self) -> "VadParameters":
        threshold = 0.5 if self.threshold is None else self.threshold
        if self.neg_threshold is not None and self.neg_threshold > threshold:
            raise ValueError(f"neg_threshold {self.neg_threshold} is above threshold {threshold}")
        pad_ms = 400 if self.speech_pad_ms is None else self.speech_pad_ms
        longest_s = self.max_speech_duration_s
        if longest_s is not None and longest_s < 2 * pad_ms / 1000 + 0.1:
            raise ValueError(f"max_speech_duration_s {longest_s} leaves none beside speech_pad_ms {pad_ms}")
        return self


class WhisperParams(BatchedWhisperParams):
    """Options of a transcription. Names and meanings are faster-whisper's."""

    mode: Literal["batched", "sequential"] = "batched"
    """How a recording is cut into windows of 30 seconds.

    "batched" cuts at silences and decodes all windows independently, many at once. "sequential" slides a
    window over the recording as Whisper's authors do, and tells each what was said before it.
    """
    task: Literal["transcribe", "translate"] = "transcribe"
    """"transcribe" writes what was said, "translate" writes it in English."""
    word_timestamps: bool = False
    """Align every word to the audio. Always on in diarized transcription."""
    without_timestamps: bool | None = None
    """Whether Whisper writes text alone: one segment a window, unless words are aligned.

    `False` has it write timestamps, at which segments are cut. In batched mode `None` has it write text
    alone, which it does more reliably, and cuts that at sentence ends, timed by aligning the words. In
    sequential mode `None` is `False`, since the window moves on to the last timestamp.
    """
    vad_filter: bool = True
    """Leave stretches without speech out of what Whisper hears."""
    vad_parameters: VadParameters | None = None
    """What counts as speech, as JSON such as {"threshold": 0.4}."""
    patience: float = Field(default=1.0, gt=0.0, le=10.0)
    """Beam search patience."""
    length_penalty: float = Field(default=1.0, ge=-2.0, le=2.0)
    """Exponential length penalty of beam search."""
    repetition_penalty: float = Field(default=1.0, gt=0.0, le=10.0)
    """Above 1.0: tokens that were written before become less likely."""
    no_repeat_ngram_size: int = Field(default=0, ge=0, le=100)
    """Forbid n-grams of this many tokens to repeat; 0 allows them."""
    compression_ratio_threshold: float | None = Field(default=2.4, gt=0.0, allow_inf_nan=False)
    """A window whose text compresses better than this is decoded again at the next temperature."""
    log_prob_threshold: float | None = Field(default=-1.0, le=0.0, allow_inf_nan=False)
    """A window whose average log-probability is lower is decoded again at the next temperature."""
    no_speech_threshold: float | None = Field(default=0.6, ge=0.0, le=1.0)
    """A window with a higher no-speech probability, and a low average log-probability, is silent."""
    hallucination_silence_threshold: float | None = Field(default=None, ge=0.0, allow_inf_nan=False)
    """Skip silence longer than this many seconds around text that looks made up.

    For sequential mode with word timestamps.
    """
    condition_on_previous_text: bool = True
    """Tell each window what was said before it, in sequential mode."""
    prompt_reset_on_temperature: float = Field(default=0.5, ge=0.0, le=1.0)
    """Forget what was said before a window that took a higher temperature than this, in sequential mode."""
    initial_prompt: str | None = Field(default=None, max_length=10_000)
    """Text Whisper takes as spoken just before each window; just before the first one in sequential mode."""
    prefix: str | None = Field(default=None, max_length=10_000)
    """Text the transcript begins with."""
    hotwords: str | None = Field(default=None, max_length=10_000)
    """Words and names to expect; without effect in a window with a prefix."""
    suppress_blank: bool = True
    """Forbid a window's text to begin with nothing."""
    suppress_tokens: tuple[int, ...] | None = Field(default=(-1,), max_length=1_000)
    """Tokens never to be written; -1 stands for Whisper's own list of symbols that are not spoken."""
    max_initial_timestamp: float = Field(default=1.0, ge=0.0, le=30.0)
    """Latest time of a window's first timestamp, in seconds, where Whisper writes timestamps."""
    max_new_tokens: int | None = Field(default=None, ge=1, le=448)
    """Most tokens to write for a window."""
    prepend_punctuations: str = Field(default="\"'“¿([{-", max_length=100)
    """Marks that belong to the word after them."""
    append_punctuations: str = Field(default="\"'.。,，!！?？:：”)]}、", max_length=100)
    """Marks that belong to the word before them."""
    multilingual: bool = False
    """Detect the language of every window, instead of taking that of the first for all."""
    language_detection_segments: int = Field(default=1, ge=1, le=100)
    """Windows to detect the language in, until it is certain."""
    language_detection_threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    """A language with more confidence than this is certain; else the one most windows are in is taken."""
    clip_timestamps: tuple[float, ...] = Field(default=(), max_length=1_000)
    """Starts and ends, in seconds, of the only stretches to transcribe; the last may lack its end."""

    @field_validator("clip_timestamps")
    @classmethod
    def _in_order(cls, times: tuple[float, ...]) -> tuple[float, ...]:
        if not all(earlier < later for earlier, later in pairwise((-0.001, *times, math.inf))):
            raise ValueError("give times of at least 0 that rise")
        return times


class PyannoteSpeakerDiarizationParams(WireModel):
    """Options of a diarization."""

    num_speakers: int | None = Field(default=None, ge=1, le=100)
    """Number of speakers, when known."""
    min_speakers: int | None = Field(default=None, ge=1, le=100)
    """Lower bound on the number of speakers."""
    max_speakers: int | None = Field(default=None, ge=1, le=100)
    """Upper bound on the number of speakers."""
    clustering_threshold: float | None = Field(default=None, gt=0.0, le=2.0)
    """Voices farther apart than this are different speakers; the pipeline's own by default."""
    segmentation_step: float = Field(default=0.1, ge=0.05, le=1.0)
    """Step of the window of 10 seconds in which speakers are told apart, as a share of its length.

    Larger is faster and less exact.
    """
    min_duration_off: float | None = Field(default=None, ge=0.0, le=60.0)
    """A speaker who pauses for fewer seconds than this is still speaking; the pipeline's own by default.

    That is 0 for the embedded one.
    """
    speaker_embeddings: bool = False
    """Put a vector for each speaker's voice into the result."""
    known_speakers: tuple[KnownSpeaker, ...] = Field(default=(), max_length=100)
    """People whose voices are known, as a JSON list; on the command line also the path of a file with one.

    Speakers who sound like them take their names: one name goes to at most one speaker.
    """
    known_speaker_threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    """Cosine similarity of two voices from which a speaker takes a known name."""

    @field_validator("known_speakers")
    @classmethod
    def _named_once(cls, speakers: tuple[KnownSpeaker, ...]) -> tuple[KnownSpeaker, ...]:
        names = [speaker.name for speaker in speakers]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{twice[0]!r} is there more than once; give each name once")
        return speakers

    @model_validator(mode="after")
    def _bounds_agree(self) -> "PyannoteSpeakerDiarizationParams":
        low, high, exact = self.min_speakers, self.max_speakers, self.num_speakers
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_speakers: {low} is above max_speakers {high}")
        if exact is not None and low is not None and exact < low:
            raise ValueError(f"num_speakers: {exact} is below min_speakers {low}")
        if exact is not None and high is not None and exact > high:
            raise ValueError(f"num_speakers: {exact} is above max_speakers {high}")
        return self


class AttributionParams(WireModel):
    """Options of putting words and speakers together."""

    attribution: Literal["voice", "word", "sentence"] = "voice"
    """Who says a word: who sounds like it, who speaks at its time, or who says most of its sentence."""


class DiarizedAsrOptions(WhisperParams, PyannoteSpeakerDiarizationParams, AttributionParams):
    """Options of a diarized transcription: those of its halves, and of putting them together."""


class CallParams(WireModel):
    """What every public model takes beside its options."""

    timeout_s: float | None = Field(default=None, gt=0.0, le=604_800.0)
    """Seconds that the caller waits for the answer; when they have passed, nothing more is done for it."""


class StreamParams(CallParams):
    """What the stream model takes beside the options of the pipeline it is asked for."""

    pipeline: Literal["diarized_asr", "transcription", "diarization"] = "diarized_asr"
    """Which answer is wanted."""
    events: Literal["all", "result"] = "all"
    """Every event, or the last one alone."""
    heartbeat: bool = False
    """Whether a reply without an event comes every half second: the server notices by it who has gone, and
    proxies see that the connection is in use."""
    errors: Literal["reply", "event"] = "reply"
    """How a failure is told: as an error of Triton's, or as an event of type "error", with `CODE: text`."""
    encoding: Literal["binary", "base64"] = "binary"
    """How the recording is written: its bytes, or base64 text, since JSON holds no bytes."""
    call_id: str | None = Field(default=None, min_length=16, max_length=64)
    """A secret of the caller's, by which the call can be ended from elsewhere."""
    cancels: str | None = Field(default=None, min_length=16, max_length=64)
    """The `call_id` of a call that is to end; nothing else is asked for then."""
