"""Real speech to measure with: pyannote.audio's sample conversation, and what can be cut out of it."""

import io
import wave
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triologue_server.audio import SAMPLE_RATE, decode_audio

Samples = NDArray[np.int16]
"""(samples,) at 16 kHz."""

_QUIET_SECONDS = 6.0  # in which the telephone line of the sample is open, and nobody speaks yet


def sample_path() -> Path:
    """Return the sample: 30 seconds of two people on the telephone.

    Raises:
        FileNotFoundError: pyannote.audio is not installed.
    """
    spec = find_spec("pyannote.audio")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the sample comes with pyannote.audio, which is not installed")
    return Path(spec.origin).parent / "sample" / "sample.wav"


def sample() -> Samples:
    """Return the sample, decoded."""
    return decode_audio(sample_path().read_bytes(), max_seconds=60).samples


def clips(conversation: Samples, number: int, seconds: float) -> list[Samples]:
    """Cut clips of `seconds` out of the sample, each of which begins elsewhere in its speech."""
    length = round(seconds * SAMPLE_RATE)
    starts = np.linspace(_QUIET_SECONDS * SAMPLE_RATE, len(conversation) - length, number).astype(int)
    return [conversation[start : start + length] for start in starts]


def long_conversation(conversation: Samples, seconds: float) -> Samples:
    """Make a recording of `seconds` out of pieces of the sample, with its own quiet between them.

    No two windows of the first five minutes hold the same audio.
    """
    quiet, speech = np.split(conversation, [round(_QUIET_SECONDS * SAMPLE_RATE)])
    pieces: list[Samples] = []
    length = 0
    for turn in count():
        if length >= seconds * SAMPLE_RATE:
            break
        start = turn * 3.7 % 10
        piece = speech[round(start * SAMPLE_RATE) : round((start + 9 + turn * 1.3 % 5) * SAMPLE_RATE)]
        pause = quiet[: round((0.5 + turn * 0.7 % 2.5) * SAMPLE_RATE)]
        pieces += [piece, pause]
        length += len(piece) + len(pause)
    return np.concatenate(pieces)[: round(seconds * SAMPLE_RATE)]


def wav(samples: Samples) -> bytes:
    """Encode samples as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(samples.tobytes())
    return file.getvalue()
