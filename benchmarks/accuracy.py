"""How well the service tells speakers apart, against pyannote.audio's own pipeline: `make accuracy`.

    python -m benchmarks.accuracy FOLDER

goes through the recordings of data folders whose turns people wrote down, which `benchmarks/recordings.py`
describes, or of those in `TRIOLOGUE_DATA`; and through pyannote.audio's sample conversation.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from pyannote.core import Annotation
from rich.console import Console

from benchmarks.pipeline import PyannotePipeline, device_of
from benchmarks.recordings import Recording, recordings
from benchmarks.report import Goal, Report, Row, Value, show
from benchmarks.service import Url, service, settings_for, triton_version
from benchmarks.speech import sample_path
from benchmarks.turns import Diarized, Score, annotation, read_rttm, score
from triologue import Client, TriologueError
from triologue.keywords import DiarizationKeywords
from triologue_server.audio import decode_audio
from triologue_server.settings import Settings
from triologue_server.store.files import sha256_of

TARGET = "accuracy"
SERVICE = "service"
PEER = "pyannote pipeline"

TUNED_ON = frozenset({"sample", "dev00", "dev01", "trn06", "trn07"})
"""Files, without their endings, that thresholds may have been tuned on where a manifest does not say."""

_THREADS = len(os.sched_getaffinity(0))

WORSE_ALONE = 0.5
"""Points of DER by which the service may be worse than its peer on one recording, and on no total."""

Contender = Callable[[bytes, DiarizationKeywords], Annotation]
"""Finds the turns of an encoded file."""


class NumSpeakers(str, Enum):
    """What the contenders are told about the number of speakers."""

    NONE = "none"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Case:
    """A recording to diarize."""

    recording: Recording
    reference: Annotation
    """Its turns, as people wrote them down."""

    @property
    def tuned_on(self) -> bool:
        """Whether something may have been tuned on it."""
        tuning = self.recording.tuning
        return self.recording.path.stem in TUNED_ON if tuning is None else tuning

    def options(self, told: NumSpeakers) -> DiarizationKeywords:
        """Return what it is diarized with."""
        if told is NumSpeakers.NONE:
            return {}
        return {"num_speakers": self.recording.speakers or len(self.reference.labels()) or None}


def cases(found: Iterable[Recording]) -> list[Case]:
    """Return the recordings whose turns are known; copies of one file are one.

    Raises:
        FileNotFoundError: A recording, or the file with its turns, is not there.
        ValueError: A file with turns cannot be read.
    """
    distinct: dict[str, Case] = {}
    for recording in found:
        if recording.rttm:
            case = Case(recording, read_rttm(recording.rttm))
            distinct.setdefault(sha256_of(recording.path), case)
    return list(distinct.values())


@dataclass(frozen=True)
class Outcome:
    """What a contender made of a recording."""

    diarized: Diarized
    """The turns it found, beside the reference."""
    took: float
    """Seconds from the encoded file to the turns."""


@dataclass(frozen=True)
class Judged:
    """A recording, diarized by everybody."""

    case: Case
    outcomes: Mapping[str, Outcome]
    """What came of it, by contender."""


def judge(case: Case, contenders: Mapping[str, Contender], told: NumSpeakers, console: Console) -> Judged:
    """Let every contender diarize a recording.

    Raises:
        TriologueError: It cannot be decoded, or the service refuses it.
    """
    audio = case.recording.path.read_bytes()
    seconds = decode_audio(audio, math.inf).seconds
    outcomes = {}
    for name, diarize in contenders.items():
        started = time.perf_counter()
        hypothesis = diarize(audio, case.options(told))
        took = time.perf_counter() - started
        outcomes[name] = Outcome(Diarized(case.reference, hypothesis, seconds), took)
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


@dataclass(frozen=True)
class Group:
    """Recordings that are scored together: one alone, or those of a total."""

    name: str
    tuned_on: str
    """Whether something may have been tuned on it, or on how many of them."""
    judged: Sequence[Judged]
    worse: float
    """Points of DER by which the service may be worse than its peer."""

    @classmethod
    def alone(cls, judged: Judged) -> "Group":
        """Return the group of one recording."""
        case = judged.case
        return cls(case.recording.name, "yes" if case.tuned_on else "no", [judged], WORSE_ALONE)

    @classmethod
    def total(cls, name: str, every: Sequence[Judged]) -> "Group":
        """Return a group of many."""
        tuned_on = sum(judged.case.tuned_on for judged in every)
        return cls(name, f"{tuned_on} of {len(every)}", every, 0.0)

    def score(self, by: str) -> Score:
        """Return how wrong a contender is."""
        return score(judged.outcomes[by].diarized for judged in self.judged)

    def rtfx(self, by: str) -> float:
        """Return how many seconds of audio a contender diarizes in a second."""
        outcomes = [judged.outcomes[by] for judged in self.judged]
        return sum(one.diarized.seconds for one in outcomes) / sum(one.took for one in outcomes)


def groups(every: Sequence[Judged]) -> list[Group]:
    """Return each recording, and their totals."""
    if not every:
        return []
    held_out = [judged for judged in every if not judged.case.tuned_on]
    found = [*map(Group.alone, every), Group.total("all", every)]
    if 0 < len(held_out) < len(every):
        found.append(Group.total("all not tuned on", held_out))
    return found


def rows(group: Group, contenders: Iterable[str]) -> list[Row]:
    """Return a line of the table for each contender."""
    return [
        {
            "recording": group.name,
            "tuned_on": group.tuned_on,
            "by": by,
            **_scores(group.score(by)),
            "RTFx": group.rtfx(by),
        }
        for by in contenders
    ]


def _scores(score: Score) -> Row:
    return {
        "DER_%": score.der,
        "missed_%": score.missed,
        "false_alarm_%": score.false_alarm,
        "confusion_%": score.confusion,
        "JER_%": score.jer,
        "speakers": score.speakers,
        "of": score.in_reference,
    }


def goal(group: Group) -> Goal:
    """Return how much worse than its peer the service should be at most."""
    # The service's times are rounded to milliseconds, which is nothing to be worse by.
    points = round(group.score(SERVICE).der - group.score(PEER).der, 2) + 0.0
    return Goal(
        name=f"DER of {SERVICE} - DER of {PEER}, points: {group.name}",
        value=points,
        bound="at most",
        goal=group.worse,
    )


def _described(settings: Settings, told: NumSpeakers) -> dict[str, Value]:
    diarization = settings.diarization
    return {
        "pipeline": diarization.pipeline,
        "device": str(device_of(diarization)),
        "threads": _THREADS,
        "collar": 0.0,
        "overlap": "scored",
        "num_speakers": told.value,
    }


def main(
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            envvar="TRIOLOGUE_DATA", exists=True, file_okay=False, help="Folders with recordings."
        ),
    ] = None,
    num_speakers: Annotated[
        NumSpeakers, typer.Option(help="Tell every contender how many speakers there are, or do not.")
    ] = NumSpeakers.NONE,
    peer: Annotated[bool, typer.Option(help="Run pyannote.audio's pipeline too.")] = True,
    url: Url = None,
) -> None:
    """Score the service's speaker turns, and those of pyannote.audio's pipeline, against people's."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    settings = settings_for(None)
    sample = Recording("sample", sample_path(), "en", rttm=sample_path().with_suffix(".rttm"), speakers=2)
    # The sample comes last: a copy of it in a folder may be known better.
    every = cases([*(recording for folder in data or () for recording in recordings(folder)), sample])
    report = Report(options=_described(settings, num_speakers), rows=[])
    report.versions["pyannote.metrics"] = version("pyannote.metrics")
    with service(settings, url, progress) as address, Client(address) as client:
        report.versions |= triton_version(address)
        contenders: dict[str, Contender] = {
            SERVICE: lambda audio, options: annotation(client.diarize(audio, **options).turns)
        }
        if peer:
            contenders[PEER] = PyannotePipeline(settings, _THREADS).diarize
        # Untimed, since what is used first is loaded then.
        for diarize in contenders.values():
            diarize(sample.path.read_bytes(), {})
        scored = groups(judge_all(every, contenders, num_speakers, progress))
    report.rows = [row for group in scored for row in rows(group, contenders)]
    report.goals = [goal(group) for group in scored] if peer else []
    path = report.save(TARGET)
    show(report, f"accuracy, {path}")


if __name__ == "__main__":
    typer.run(main)
