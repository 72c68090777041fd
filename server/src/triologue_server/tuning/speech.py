"""Speech to measure with: silence is decoded in no time, and tells nothing."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triologue_server.audio import SAMPLE_RATE, decode_audio
from triologue_server.transcription.window import WINDOW_SAMPLES

Samples = NDArray[np.int16]
"""(samples,) at 16 kHz."""

WINDOWS = 8
"""Different windows that are measured with."""

_QUIET_SECONDS = 6  # in which nobody speaks yet in the sample
_LONGEST_SECONDS = 3_600.0


def speech(audio: Path | None) -> list[Samples]:
    """Return full windows of speech, each of which begins elsewhere.

    Args:
        audio: A recording; by default pyannote.audio's sample, two people on the telephone.

    Raises:
        OSError: The file cannot be read, or there is no sample.
        TriologueError: It is no audio, or longer than an hour.
    """
    if audio:
        return cut(decode_audio(audio.read_bytes(), _LONGEST_SECONDS).samples)
    sample = decode_audio(_sample_path().read_bytes(), _LONGEST_SECONDS).samples
    return cut(sample[_QUIET_SECONDS * SAMPLE_RATE :])


def cut(samples: Samples) -> list[Samples]:
    """Cut full windows out of a recording that goes on with its beginning at its end."""
    starts = np.linspace(0, len(samples), WINDOWS, endpoint=False).astype(int)
    window = np.arange(WINDOW_SAMPLES)
    return [samples.take(start + window, mode="wrap") for start in starts]


def _sample_path() -> Path:
    spec = find_spec("pyannote.audio")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("there is no speech to measure with: give a recording with --audio")
    return Path(spec.origin).parent / "sample" / "sample.wav"
