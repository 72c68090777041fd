"""Where there is speech in a clean recording of one speaker: by loudness, which is enough there."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.speech import Samples
from triologue_server.audio import SAMPLE_RATE

LONGEST_PAUSE = SAMPLE_RATE // 2
"""Longest pause that does not end a stretch of speech, in samples."""

Span = tuple[int, int]
"""The first sample, and the one after the last."""

_FRAME = SAMPLE_RATE // 100
_VOICE = slice(1, 11)  # bins of 100 Hz: breath and clicks, which are no speech, are weak there
_REACH = 12  # frames before and after voice, where consonants are
_SHORTEST = 5  # frames; less is a click

# Decibels; a threshold lies where the recording is quiet enough to tell speech from what is not.
_SILENCE = 10.0
_ABOVE_QUIET = 6.0
_LEAST_BELOW_LOUD = 15.0
_VOICE_BELOW_LOUD = 22.0
_SOUND_BELOW_LOUD = 30.0


def speech_in(samples: Samples) -> tuple[Span, ...]:
    """Find the stretches of speech, to 10 ms; the pauses between them are longer than half a second."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    if len(frames) < _SHORTEST:
        return ()
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), axis=1)) ** 2
    voice = _loud(2 * np.sum(spectrum[:, _VOICE], axis=1) / _FRAME**2, _VOICE_BELOW_LOUD)
    voice = _around(voice, 2) >= 3
    sound = _loud(np.mean(frames**2, axis=1), _SOUND_BELOW_LOUD)
    heard = np.flatnonzero(sound & (_around(voice, _REACH) > 0))
    pauses = np.flatnonzero(np.diff(heard) - 1 > LONGEST_PAUSE // _FRAME) + 1
    return tuple(
        (int(part[0]) * _FRAME, (int(part[-1]) + 1) * _FRAME)
        for part in np.split(heard, pauses)
        if len(part) >= _SHORTEST
    )


def _loud(power: NDArray[np.float64], below_loud: float) -> NDArray[np.bool_]:
    loudness = 10 * np.log10(1 + power)
    quiet, loud = np.percentile(loudness, [10, 95])
    threshold = min(max(loud - below_loud, quiet + _ABOVE_QUIET), loud - _LEAST_BELOW_LOUD)
    found: NDArray[np.bool_] = loudness > max(_SILENCE, threshold)
    return found


def _around(frames: NDArray[np.bool_], reach: int) -> NDArray[np.int_]:
    """Count for each frame those that hold among it and so many before and after it."""
    padded = np.pad(frames.astype(int), reach)
    return np.convolve(padded, np.ones(2 * reach + 1, int), "valid")
