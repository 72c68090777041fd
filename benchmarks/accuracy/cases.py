"""What the contenders work on: recordings whose turns or words people wrote down."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pyannote.core import Annotation

from benchmarks.recordings import Recording
from benchmarks.turns import read_rttm
from triologue.keywords import DiarizationKeywords
from triologue_server.store.files import sha256_of

TUNED_ON = frozenset({"sample", "dev00", "dev01", "trn06", "trn07"})
"""Files, without their endings, that thresholds may have been tuned on where a manifest does not say."""


class NumSpeakers(str, Enum):
    """What the contenders are told about the number of speakers."""

    NONE = "none"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Case:
    """A recording that is known."""

    recording: Recording
    turns: Annotation | None = None
    """Who speaks when, if people wrote it down."""

    @property
    def tuned_on(self) -> bool:
        """Whether something may have been tuned on it."""
        tuning = self.recording.tuning
        return self.recording.path.stem in TUNED_ON if tuning is None else tuning

    @property
    def speakers(self) -> int:
        """Number of people who speak in it."""
        labels = self.turns.labels() if self.turns else {one.speaker for one in self.recording.spoken or ()}
        return self.recording.speakers or len(labels)

    def options(self, told: NumSpeakers) -> DiarizationKeywords:
        """Return what it is diarized with."""
        return {} if told is NumSpeakers.NONE else {"num_speakers": self.speakers or None}


def cases(found: Iterable[Recording], words: bool) -> list[Case]:
    """Return the recordings whose turns are known, or words if they count; copies of one file are one.

    Raises:
        FileNotFoundError: A recording, or the file with its turns, is not there.
        ValueError: A file with turns cannot be read.
    """
    distinct: dict[str, Case] = {}
    for recording in found:
        if recording.rttm or (words and recording.spoken is not None):
            case = Case(recording, read_rttm(recording.rttm) if recording.rttm else None)
            distinct.setdefault(sha256_of(recording.path), case)
    return list(distinct.values())
