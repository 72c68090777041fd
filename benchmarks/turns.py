"""Turns: who speaks when, as people wrote it down and as a diarization found it, and how far the two differ.

Nothing is forgiven: there is no collar around the turns of a reference, and speech of several at once counts
for each of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

from triologue import SpeakerDiarizationSegment, TimeInterval


def read_rttm(path: Path) -> Annotation:
    """Read the turns of a recording: `SPEAKER file channel start duration <NA> <NA> speaker ...`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line holds no turn, or the turns are of several recordings.
    """
    turns, files = Annotation(), set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.startswith("SPEAKER"):
            continue
        try:
            _, file, _, start, duration, _, _, speaker, *_ = line.split()
            turn = Segment(float(start), float(start) + float(duration))
        except ValueError:
            raise ValueError(f"{path}, line {number} holds no turn: {line}") from None
        files.add(file)
        # The number keeps turns apart that begin and end together.
        turns[turn, number] = speaker
    if len(files) > 1:
        raise ValueError(f"{path} holds turns of several recordings: {', '.join(sorted(files))}")
    return turns


def annotation(turns: Iterable[SpeakerDiarizationSegment]) -> Annotation:
    """Return turns of the service in pyannote's form."""
    found = Annotation()
    for number, turn in enumerate(turns):
        found[Segment(turn.time_interval.start, turn.time_interval.end), number] = turn.speaker
    return found


def turns_of(found: Annotation) -> list[SpeakerDiarizationSegment]:
    """Return turns of pyannote's in the form of the service."""
    return [
        SpeakerDiarizationSegment(
            time_interval=TimeInterval(start=max(0.0, turn.start), end=max(0.0, turn.end)), speaker=speaker
        )
        for turn, _, speaker in found.itertracks(yield_label=True)
    ]


@dataclass(frozen=True)
class Diarized:
    """The turns of one recording, twice."""

    reference: Annotation
    """As people wrote them down."""
    hypothesis: Annotation
    """As a diarization found them; its labels are its own."""
    seconds: float
    """Length of the recording, all of which is scored, and nothing behind it."""

    @property
    def whole(self) -> Timeline:
        """What is scored."""
        return Timeline([Segment(0.0, self.seconds)])

    @property
    def speakers(self) -> int:
        """Number of speakers that were found."""
        return len(self.hypothesis.crop(self.whole).labels())

    @property
    def in_reference(self) -> int:
        """Number of speakers that there are."""
        return len(self.reference.crop(self.whole).labels())


@dataclass(frozen=True)
class Score:
    """How wrong hypotheses are, by pyannote.metrics."""

    der: float
    """Diarization error rate: the sum of the next three."""
    missed: float
    """Speech in which the hypothesis hears too few speakers; in percent of all speech, as the next two."""
    false_alarm: float
    """Speech that it hears where nobody, or fewer people, speak."""
    confusion: float
    """Speech that it gives to the wrong speaker."""
    jer: float
    """Jaccard error rate, in percent: a mean over the speakers of the reference, however much they speak."""
    speakers: int
    """Speakers in the hypotheses."""
    in_reference: int
    """Speakers in the references."""


def score(recordings: Iterable[Diarized]) -> Score:
    """Score recordings together: each weighs as much as its speech in DER, as its speakers in JER."""
    errors = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    jaccard = JaccardErrorRate(collar=0.0, skip_overlap=False)
    speakers = in_reference = 0
    for one in recordings:
        errors(one.reference, one.hypothesis, uem=one.whole)
        jaccard(one.reference, one.hypothesis, uem=one.whole)
        speakers += one.speakers
        in_reference += one.in_reference
    return Score(
        der=100 * abs(errors),
        missed=_percent(errors["missed detection"], errors["total"]),
        false_alarm=_percent(errors["false alarm"], errors["total"]),
        confusion=_percent(errors["confusion"], errors["total"]),
        jer=100 * abs(jaccard),
        speakers=speakers,
        in_reference=in_reference,
    )


def _percent(wrong: float, of: float) -> float:
    # Where nobody speaks, any error is all: so pyannote.metrics has it for their sum.
    return 100 * wrong / of if of else 100.0 * (wrong > 0)
