"""What is asked of the Whisper core about one window, and what it answers."""

from typing import Any

from pydantic import Field

from triologue.schema import WhisperParams
from triologue.schema.base import WireModel
from triologue_server.audio import SAMPLE_RATE

WINDOW_SECONDS = 30
"""What Whisper hears at once."""

WINDOW_SAMPLES = WINDOW_SECONDS * SAMPLE_RATE

FRAMES_A_SECOND = 100
"""Columns of the log-mel spectrogram in a second."""

WINDOW_FRAMES = WINDOW_SECONDS * FRAMES_A_SECOND


class WindowOptions(WhisperParams):
    """How to decode a window: the caller's options, and what belongs to this window alone."""

    previous_tokens: tuple[int, ...] = Field(default=(), max_length=10_000)
    """What was said before the window, as Whisper's tokens."""
    detect_only: bool = False
    """Tell the language and leave it at that."""

    @classmethod
    def of(cls, options: WhisperParams, **changes: Any) -> "WindowOptions":
        """Return the options of a window of a caller who gave `options`."""
        given = {name: getattr(options, name) for name in options.model_fields_set & cls.model_fields.keys()}
        return cls(**{**given, **changes})


class AlignedWord(WireModel):
    """A word of a window and when it is heard."""

    word: str
    """Its text, with the space before it."""
    tokens: list[int]
    """Its tokens."""
    start: float
    """In seconds from the start of the window."""
    end: float
    """In seconds from the start of the window."""
    probability: float
    """Mean probability of its tokens."""


class Hypothesis(WireModel):
    """What Whisper takes a window to say."""

    language: str
    """Language code the window was decoded in."""
    language_confidence: float = Field(ge=0.0, le=1.0)
    """Probability of that language; 1.0 when it was given."""
    tokens: list[int] = Field(default_factory=list)
    """Text and timestamp tokens."""
    avg_logprob: float = 0.0
    """Mean log-probability of the tokens."""
    no_speech_prob: float = 0.0
    """Probability that the window holds no speech."""
    temperature: float = 0.0
    """The last temperature it was decoded at."""
    words: list[AlignedWord] = Field(default_factory=list)
    """The words of the tokens in order, when they were to be aligned."""

    def is_silence(self, options: WhisperParams) -> bool:
        """Say whether the window holds no speech, so that its text must not be trusted."""
        if options.no_speech_threshold is None or self.no_speech_prob <= options.no_speech_threshold:
            return False
        return options.log_prob_threshold is None or self.avg_logprob <= options.log_prob_threshold
