"""How simulated conversations sound: loudness, the band of a telephone, and noise."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulate.utterances import Utterance
from benchmarks.speech import Samples
from triologue_server.audio import SAMPLE_RATE

LEVEL = 32768 * 10 ** (-26 / 20)
"""Root mean square of speech: 26 dB below full scale, as telephony has it."""

_TELEPHONE = (200.0, 300.0, 3400.0, 3700.0)  # Hz: the band begins, is whole, is whole, has ended
_NOISE_SECONDS = 60  # after which noise repeats
_FLAT_BELOW = 50.0  # Hz
_FADE = np.linspace(0, 1, SAMPLE_RATE // 100, dtype=np.float32)  # or pieces would begin with a click


def level(utterance: Utterance, *, telephone: bool) -> Utterance:
    """Return an utterance as loud as every other, and as a telephone would pass it on."""
    sound = utterance.samples.astype(np.float64)
    if telephone:
        # The silence keeps the end from ringing into the beginning.
        sound = np.pad(sound, (0, SAMPLE_RATE // 10))
        sound = _shaped(sound, _telephone(_frequencies(len(sound))))[: len(utterance.samples)]
    power = np.mean(np.concatenate([sound[start:end] for start, end in utterance.speech]) ** 2)
    return replace(utterance, samples=_clipped(sound * LEVEL / np.sqrt(power)))


def mix(samples: Samples, utterance: Utterance, at: int, gain: float) -> None:
    """Add an utterance to a recording, in place, with its speech beginning at a sample."""
    start = at - utterance.span[0]
    cut = max(0, -start)
    sound = utterance.samples[cut : len(samples) - start].astype(np.float32) * np.float32(gain)
    sound[: len(_FADE)] *= _FADE
    sound[-len(_FADE) :] *= _FADE[::-1]
    part = samples[start + cut : start + cut + len(sound)]
    part[:] = _clipped(part + sound)


def add_noise(samples: Samples, below: float, rng: np.random.Generator, *, telephone: bool) -> None:
    """Add pink noise to a recording, in place, a minute at a time; `below` is how far below speech, in dB."""
    length = _NOISE_SECONDS * SAMPLE_RATE
    frequencies = _frequencies(length)
    gains = 1 / np.sqrt(np.maximum(frequencies, _FLAT_BELOW))
    # Shaped as a circle: it can follow itself without a break.
    noise = _shaped(rng.standard_normal(length), gains * _telephone(frequencies) if telephone else gains)
    noise = (noise * LEVEL * 10 ** (-below / 20) / noise.std()).astype(np.float32)
    for start in range(0, len(samples), length):
        block = samples[start : start + length]
        block[:] = _clipped(block + noise[: len(block)])


def _clipped(sound: NDArray[np.floating[Any]]) -> Samples:
    samples: Samples = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    return samples


def _frequencies(length: int) -> NDArray[np.float64]:
    return np.fft.rfftfreq(length, 1 / SAMPLE_RATE)


def _telephone(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(frequencies, _TELEPHONE, (0, 1, 1, 0))


def _shaped(sound: NDArray[np.float64], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.fft.irfft(np.fft.rfft(sound) * gains, len(sound))
