"""Who says what, and when: turns are taken as people take them who listen to each other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.simulate.utterances import Utterance
from triologue_server.audio import SAMPLE_RATE

_GOES_ON = 0.35  # chance that whoever speaks says another utterance
_LIKELIER = np.array([4.0, 2.0])  # the last two who spoke before are the next, than anybody else
_SPREAD_OF_PAUSES = 1.0  # of their logarithm
_SPREAD_OF_GAINS = 1.5  # dB, between utterances of one speaker
_OVERLAP = np.array([0.2, 1.5]) * SAMPLE_RATE
_BACKCHANNEL = np.array([0.3, 0.8]) * SAMPLE_RATE
_SHORT = round(1.2 * SAMPLE_RATE)  # an utterance that makes a back-channel as it is
# From the ends of a turn to a back-channel: there the turns before and after may overlap it.
_CLEAR = round(1.6 * SAMPLE_RATE)


@dataclass(frozen=True)
class Manner:
    """How people talk."""

    overlap: float
    """Share of the changes of speaker at which the next begins before the last has ended."""
    backchannels: float
    """Share of the utterances, of those long enough, that somebody else puts a word in."""
    pause: float
    """Mean pause between utterances, in seconds."""


@dataclass(frozen=True)
class Placed:
    """An utterance in a conversation."""

    utterance: Utterance
    at: int
    """The sample of the conversation at which its speech begins."""
    gain: float
    """What its samples are multiplied by."""

    @property
    def end(self) -> int:
        """The sample after its speech."""
        return self.at + self.utterance.length


class Speaker:
    """Somebody who takes part in a conversation.

    Args:
        utterances: What he can say.
        level: How loud he is, in dB.
        rng: What decides what he says.
    """

    def __init__(self, utterances: Sequence[Utterance], level: float, rng: np.random.Generator) -> None:
        self.shortest = min(utterance.length for utterance in utterances)
        self.mean = float(np.mean([utterance.length for utterance in utterances]))
        self._utterances = utterances
        self._said: Counter[Utterance] = Counter()
        self._level = level
        self._rng = rng

    @property
    def has_spoken(self) -> bool:
        """Whether he has taken a turn."""
        return bool(self._said)

    def turn(self, longest: int) -> Utterance:
        """Return one of the utterances said least often among those of `longest` samples at most."""
        fitting = [utterance for utterance in self._utterances if utterance.length <= longest]
        fewest = min(self._said[utterance] for utterance in fitting)
        rare = [utterance for utterance in fitting if self._said[utterance] == fewest]
        utterance = rare[self._rng.integers(len(rare))]
        self._said[utterance] += 1
        return utterance

    def backchannel(self) -> Utterance:
        """Return a whole short utterance where he has one, else a piece of another."""
        short = [utterance for utterance in self._utterances if utterance.length <= _SHORT]
        if short:
            return short[self._rng.integers(len(short))]
        utterance = self._utterances[self._rng.integers(len(self._utterances))]
        return utterance.cut(
            int(self._rng.integers(len(utterance.speech))), round(self._rng.uniform(*_BACKCHANNEL))
        )

    def gain(self) -> float:
        """Return what to multiply the next utterance by."""
        return float(10 ** ((self._level + self._rng.normal(0, _SPREAD_OF_GAINS)) / 20))


def take_turns(
    speakers: Sequence[Speaker], length: int, manner: Manner, rng: np.random.Generator
) -> list[Placed]:
    """Fill `length` samples with talk, until no utterance fits into what is left.

    Nobody speaks over himself, no more than two speak at once, and everybody gets to speak if there is time.
    """
    placed: list[Placed] = []
    order = list(speakers)  # who spoke last comes first
    last: Placed | None = None
    while True:
        start = (last.end if last else 0) + _pause(manner, rng)
        speaker = _next(order, length - start, rng)
        if speaker is None:
            return placed
        utterance = speaker.turn(max(speaker.shortest, length - start - _kept(order, speaker)))
        if last and speaker is not order[0] and rng.random() < manner.overlap:
            # With half of each at most, whoever is interrupted falls silent before the next change.
            start = last.end - int(
                min(rng.uniform(*_OVERLAP), last.utterance.length / 2, utterance.length / 2)
            )
        last = Placed(utterance, start, speaker.gain())
        placed.append(last)
        order.remove(speaker)
        if order and rng.random() < manner.backchannels:
            placed += _backchannel(last, order[rng.integers(len(order))], rng)
        order.insert(0, speaker)


def _pause(manner: Manner, rng: np.random.Generator) -> int:
    pause = manner.pause * rng.lognormal(-(_SPREAD_OF_PAUSES**2) / 2, _SPREAD_OF_PAUSES)
    return round(pause * SAMPLE_RATE)


def _kept(order: Sequence[Speaker], speaker: Speaker) -> int:
    """Return how many samples those need who have not spoken yet, but for one."""
    return sum(
        other.shortest + SAMPLE_RATE for other in order if other is not speaker and not other.has_spoken
    )


def _next(order: Sequence[Speaker], left: int, rng: np.random.Generator) -> Speaker | None:
    """Return who speaks next, or nobody if nobody has anything to say that fits into the samples left."""
    able = [speaker for speaker in order if speaker.shortest <= left - _kept(order, speaker)]
    able = able or [speaker for speaker in order if speaker.shortest <= left]
    silent = [speaker for speaker in able if not speaker.has_spoken]
    if silent and left < 1.5 * sum(speaker.mean for speaker in silent):
        return silent[0]
    last, others = order[0], [speaker for speaker in able if speaker is not order[0]]
    if last in able and last.has_spoken and (not others or rng.random() < _GOES_ON):
        return last
    pool = others if last.has_spoken else able
    if not pool:
        return None
    weights = np.ones(len(pool))
    weights[: len(_LIKELIER)] = _LIKELIER[: len(pool)]
    return pool[rng.choice(len(pool), p=weights / weights.sum())]


def _backchannel(over: Placed, listener: Speaker, rng: np.random.Generator) -> list[Placed]:
    utterance = listener.backchannel()
    room = over.utterance.length - 2 * _CLEAR - utterance.length
    if room <= 0:
        return []
    return [Placed(utterance, over.at + _CLEAR + int(rng.integers(room)), listener.gain())]
