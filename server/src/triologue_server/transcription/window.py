"""What the Whisper core answers for one window."""

from pydantic import Field

from triologue.schema import AsrSegment
from triologue.schema.base import WireModel
from triologue_server.audio import SAMPLE_RATE

WINDOW_SECONDS = 30
"""What Whisper hears at once."""

WINDOW_SAMPLES = WINDOW_SECONDS * SAMPLE_RATE


class WindowTranscript(WireModel):
    """The transcript of one window; times are in seconds from the window's start."""

    language: str
    """Language code the window was decoded in."""
    language_confidence: float = Field(ge=0.0, le=1.0)
    """Probability of that language; 1.0 when it was given."""
    segments: list[AsrSegment]
    """What was said; empty when nothing was."""
