"""What comes of the recordings, contender by contender."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.console import Console

from benchmarks.accuracy.cases import Case, NumSpeakers
from benchmarks.accuracy.found import Contender, Found
from benchmarks.spoken import SpokenScore
from benchmarks.spoken import score as score_words
from benchmarks.turns import Diarized
from triologue import TriologueError
from triologue_server.audio import decode_audio


@dataclass(frozen=True)
class Outcome:
    """What a contender made of a recording."""

    seconds: float
    """Length of the recording."""
    took: float
    """Seconds from the encoded file to the answer."""
    diarized: Diarized | None = None
    """The turns it found, beside the reference, where that is known."""
    words: SpokenScore | None = None
    """How wrong its transcript is, where it made one and the words are known."""

    @classmethod
    def of(cls, case: Case, found: Found, seconds: float, took: float) -> "Outcome":
        """Compare what was found with what is known."""
        spoken = case.recording.spoken
        return cls(
            seconds,
            took,
            None if case.turns is None else Diarized(case.turns, found.turns, seconds),
            None
            if spoken is None or found.spoken is None
            else score_words(spoken, found.spoken, case.recording.language),
        )

    @property
    def counted(self) -> Diarized | SpokenScore:
        """What speakers are counted in: turns, or the transcript where they are not known.

        Raises:
            ValueError: There is neither.
        """
        counted = self.diarized or self.words
        if counted is None:
            raise ValueError("neither turns nor words are known")
        return counted


@dataclass(frozen=True)
class Judged:
    """A recording, and what came of it."""

    case: Case
    outcomes: Mapping[str, Outcome]
    """By contender."""


def judge(case: Case, contenders: Mapping[str, Contender], told: NumSpeakers, console: Console) -> Judged:
    """Let every contender work on a recording.

    Raises:
        TriologueError: It cannot be decoded, or the service refuses it.
    """
    audio = case.recording.path.read_bytes()
    seconds = decode_audio(audio, math.inf).seconds
    outcomes = {}
    for name, contender in contenders.items():
        started = time.perf_counter()
        found = contender(audio, case.options(told))
        took = time.perf_counter() - started
        outcomes[name] = Outcome.of(case, found, seconds, took)
        console.print(f"{case.recording.name}, {name}: {took:.2f} s")
    return Judged(case, outcomes)


def judge_all(
    every: Iterable[Case], contenders: Mapping[str, Contender], told: NumSpeakers, console: Console
) -> list[Judged]:
    """Judge every recording but those that the service refuses, which are told."""
    judged = []
    for case in every:
        try:
            judged.append(judge(case, contenders, told, console))
        except TriologueError as error:
            console.print(f"{case.recording.name} is left out: {error}")
    return judged
