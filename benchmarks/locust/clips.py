"""The recordings that are sent: made once in each process, since encoding would hold up those who call."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.encoded import Format, seconds_of, write_audio
from benchmarks.locust.mix import Length, pick
from benchmarks.recordings import recordings
from benchmarks.speech import Samples, long_conversation, sample
from triologue_server.audio import SAMPLE_RATE

_SPARE_S = 300.0  # of the conversation, within which a clip of the greatest length may begin anywhere

_UP_TO = ((60.0, "up to 1 min"), (300.0, "up to 5 min"), (1800.0, "up to 30 min"))
_LONGER = "longer"


@dataclass(frozen=True)
class Clip:
    """A recording to send."""

    label: str
    """Its class of length, for reports."""
    seconds: float
    """Its length."""
    audio: bytes | Path
    """An encoded file, or where it is."""
    language: str | None = None
    """Language code, if it is known."""


class Clips:
    """Recordings to choose from.

    Args:
        classes: The recordings of each class of length, and how often the class is chosen in comparison.
        chance: Chooses.
    """

    def __init__(self, classes: Sequence[tuple[float, Sequence[Clip]]], chance: random.Random) -> None:
        self._classes = {number: weight for number, (weight, _) in enumerate(classes)}
        self._clips = [clips for _, clips in classes]
        self._chance = chance

    def choose(self) -> Clip:
        """Return one of them."""
        return self._chance.choice(self._clips[pick(self._classes, self._chance)])

    @classmethod
    def cut(
        cls, mix: Mapping[Length, float], formats: Sequence[Format], number: int, chance: random.Random
    ) -> "Clips":
        """Cut clips out of a conversation, each of which begins elsewhere in it.

        Args:
            mix: Weights of their lengths.
            formats: Take turns.
            number: Clips of each length.
            chance: Chooses where clips begin, and how long they are within a range.
        """
        conversation = long_conversation(sample(), max(length.high for length in mix) + _SPARE_S)
        with TemporaryDirectory() as folder:
            classes = [
                (
                    weight,
                    [
                        _cut(conversation, length, formats[turn % len(formats)], Path(folder), chance)
                        for turn in range(number)
                    ],
                )
                for length, weight in mix.items()
            ]
        return cls(classes, chance)

    @classmethod
    def of_folder(cls, folder: Path, chance: random.Random) -> "Clips":
        """Take the recordings of a data folder, all equally often.

        Raises:
            FileNotFoundError: There is no manifest in it.
            ValueError: What is said in one cannot be read.
        """
        found = []
        for recording in recordings(folder):
            seconds = seconds_of(recording.path)
            found.append(Clip(_class_of(seconds), seconds, recording.path, recording.language))
        return cls([(1.0, found)], chance)


def _cut(
    conversation: Samples, length: Length, file_format: Format, folder: Path, chance: random.Random
) -> Clip:
    seconds = length.draw(chance)
    size = round(seconds * SAMPLE_RATE)
    start = chance.randrange(len(conversation) - size)
    path = folder / f"clip.{file_format.value}"
    write_audio(conversation[start : start + size], path)
    return Clip(length.label, seconds, path.read_bytes())


def _class_of(seconds: float) -> str:
    return next((label for most, label in _UP_TO if seconds <= most), _LONGER)
