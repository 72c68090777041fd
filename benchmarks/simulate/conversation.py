"""Simulated conversations: their sound and their truth."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from benchmarks.simulate.activity import LONGEST_PAUSE
from benchmarks.simulate.sound import add_noise, level, mix
from benchmarks.simulate.talk import Manner, Placed, Speaker, take_turns
from benchmarks.simulate.utterances import Utterance
from benchmarks.speech import Samples
from triologue_server.audio import SAMPLE_RATE

Stretch = tuple[float, float]
"""Start and end, in seconds."""


@dataclass(frozen=True)
class Turn:
    """An utterance of a conversation."""

    speaker: str
    """Who."""
    speech: tuple[Stretch, ...]
    """When; the pauses between are longer than half a second."""
    text: str | None
    """The words, if they are known."""

    @property
    def start(self) -> float:
        """When it begins, in seconds."""
        return self.speech[0][0]

    @property
    def end(self) -> float:
        """When it ends, in seconds."""
        return self.speech[-1][1]


@dataclass(frozen=True, eq=False)
class Conversation:
    """A recording, and who says what in it."""

    samples: Samples
    """How it sounds."""
    turns: tuple[Turn, ...]
    """In order of their starts."""
    language: str | None
    """Language code, if all speak the same, and it is known."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who speaks, in order of the alphabet."""
        return tuple(sorted({turn.speaker for turn in self.turns}))

    def stretches(self) -> list[tuple[str, Stretch]]:
        """Return who speaks when, in order of time.

        A pause of half a second at most does not interrupt anybody, be it in an utterance or between two.
        """
        joined = [
            (speaker, stretch)
            for speaker in self.speakers
            for stretch in _joined(
                stretch for turn in self.turns if turn.speaker == speaker for stretch in turn.speech
            )
        ]
        return sorted(joined, key=lambda spoken: spoken[1])

    def rttm(self, name: str) -> str:
        """Return who speaks when as an RTTM file, of a recording of this name."""
        return "".join(
            f"SPEAKER {_word(name)} 1 {start:.3f} {end - start:.3f} <NA> <NA> {_word(speaker)} <NA> <NA>\n"
            for speaker, (start, end) in self.stretches()
        )

    def stm(self, name: str) -> str | None:
        """Return who says what as an STM file, or nothing where not all words are known."""
        if any(turn.text is None for turn in self.turns):
            return None
        return "".join(
            f"{_word(name)} 1 {_word(turn.speaker)} {turn.start:.3f} {turn.end:.3f} {_words(turn.text)}\n"
            for turn in self.turns
        )


def simulate(
    utterances: Iterable[Utterance],
    *,
    speakers: int,
    seconds: float,
    seed: int,
    overlap: float = 0.1,
    backchannels: float = 0.0,
    pause: float = 0.4,
    level_db: float = 6.0,
    noise_db: float | None = None,
    telephone: bool = False,
) -> Conversation:
    """Have speakers drawn among those of the utterances talk to each other.

    All of them get to speak unless `seconds` are too few, and in a long conversation they repeat themselves,
    not as loud each time. Back-channels are whole utterances where a speaker has any of 1.2 s at most, else
    the beginnings of longer ones, and then nobody knows their words. The last utterance is whole:
    up to the length of the shortest utterance, the recording may end in silence.

    Memory: the samples, and the utterances of the speakers twice.

    Args:
        utterances: What can be said.
        speakers: How many speak.
        seconds: Length of the recording.
        seed: What decides everything that chance does.
        overlap: Share of the changes of speaker at which the next begins before the last has ended, by 0.2 to
            1.5 s.
        backchannels: Share of the utterances, of those long enough, that somebody else puts a word in.
        pause: Mean pause between utterances, in seconds.
        level_db: Between the loudest and the softest speaker at most, in dB.
        noise_db: Of speech over noise, in dB; without it, pauses are silent.
        telephone: Leave the band of a telephone alone, 300 to 3,400 Hz.

    Raises:
        ValueError: There are not that many speakers, or no utterance fits into `seconds`.
    """
    rng = np.random.default_rng(seed)
    voices: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        voices.setdefault(utterance.speaker, []).append(utterance)
    if not 1 <= speakers <= len(voices):
        raise ValueError(f"{speakers} speakers are asked for, and utterances of {len(voices)} are there")
    drawn = rng.choice(sorted(voices), speakers, replace=False)
    table = [
        Speaker(
            [level(utterance, telephone=telephone) for utterance in voices[name]],
            rng.uniform(-level_db / 2, level_db / 2),
            rng,
        )
        for name in drawn
    ]
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    placed = take_turns(table, len(samples), Manner(overlap, backchannels, pause), rng)
    if not placed:
        raise ValueError(f"no utterance is shorter than {seconds:g} s")
    for one in placed:
        mix(samples, one.utterance, one.at, one.gain)
    if noise_db is not None:
        add_noise(samples, noise_db, rng, telephone=telephone)
    languages = {one.utterance.language for one in placed}
    return Conversation(
        samples=samples,
        turns=tuple(sorted(map(_turn, placed), key=lambda turn: turn.start)),
        language=languages.pop() if len(languages) == 1 else None,
    )


def _turn(placed: Placed) -> Turn:
    utterance = placed.utterance
    offset = placed.at - utterance.span[0]
    speech = tuple(
        ((offset + start) / SAMPLE_RATE, (offset + end) / SAMPLE_RATE) for start, end in utterance.speech
    )
    return Turn(utterance.speaker, speech, utterance.text)


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if joined and start - joined[-1][1] <= LONGEST_PAUSE / SAMPLE_RATE:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def _word(name: str) -> str:
    """Fields are told apart by the space between them."""
    return "_".join(name.split())


def _words(text: str | None) -> str:
    return " ".join((text or "").split())
