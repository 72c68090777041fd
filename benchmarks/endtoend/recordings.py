"""The recordings that everybody writes down: conversations made of pieces of pyannote.audio's sample."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.speech import long_conversation, sample, wav
from triologue_server.audio import SAMPLE_RATE


@dataclass(frozen=True)
class Clip:
    """A recording."""

    seconds: float
    """Its length."""
    audio: bytes
    """A WAV file."""


def clips(lengths: Sequence[float]) -> list[Clip]:
    """Cut recordings of these lengths, in seconds, out of one conversation, one behind the other."""
    samples = long_conversation(sample(), sum(lengths))
    made, start = [], 0
    for seconds in lengths:
        stop = start + round(seconds * SAMPLE_RATE)
        made.append(Clip(seconds, wav(samples[start:stop])))
        start = stop
    return made


def seconds_of(found: Sequence[Clip]) -> float:
    """Return how long recordings are together."""
    return sum(clip.seconds for clip in found)
