"""Comparing transcripts: what counts as a word, and how many are wrong.

Texts are compared in lower case and without punctuation. Numbers, contractions and fillers count as they are
written. In languages that are written without spaces every character counts as a word.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from statistics import median

_WITHOUT_SPACES = {"ja", "zh", "yue", "th", "lo", "my", "km"}
_APOSTROPHES = str.maketrans("’‘ʼ", "'''")

Timed = tuple[str, float, float]
"""A word, its start and its end in seconds."""


def unit_of(language: str | None) -> str:
    """Return what is counted in a language: `words` or `characters`."""
    return "characters" if language in _WITHOUT_SPACES else "words"


def words_of(text: str, language: str | None) -> list[str]:
    """Return what counts as the words of a text."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(_APOSTROPHES)
    # Punctuation and symbols divide words, apostrophes inside them do not.
    spaced = "".join(" " if unicodedata.category(c)[0] in "PS" and c != "'" else c for c in plain)
    words = [word.strip("'") for word in spaced.split()]
    if unit_of(language) == "characters":
        return list("".join(words))
    return [word for word in words if word]


@dataclass(frozen=True)
class Errors:
    """Wrong words."""

    wrong: int = 0
    """Words that were left out, put in, or taken for others."""
    of: int = 0
    """Words of the reference."""

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(self.wrong + other.wrong, self.of + other.of)

    @property
    def percent(self) -> float:
        """The error rate in percent; where the reference has no words, every word is one error."""
        return 100 * self.wrong / max(1, self.of)


def errors(reference: Sequence[str], heard: Sequence[str]) -> Errors:
    """Count the fewest words to leave out, put in or change that make one text of the other."""
    row = list(range(len(heard) + 1))
    for number, wanted in enumerate(reference, start=1):
        diagonal, row[0] = row[0], number
        for at, word in enumerate(heard, start=1):
            change = diagonal + (wanted != word)
            diagonal = row[at]
            row[at] = min(change, row[at] + 1, row[at - 1] + 1)
    return Errors(row[-1], len(reference))


@dataclass(frozen=True)
class Apart:
    """How far the times of the words of two transcripts lie apart, in seconds."""

    median: float
    """Of the starts and ends of the words that both have."""
    most: float
    """Of the same."""


def apart(ours: Sequence[Timed], theirs: Sequence[Timed], language: str | None) -> Apart | None:
    """Compare the times of the words that both transcripts have in one order; `None` if there are none."""
    own, other = ([words_of(word, language) for word, _, _ in words] for words in (ours, theirs))
    # As text, since what is matched has to be hashable.
    matcher = SequenceMatcher(None, list(map("".join, own)), list(map("".join, other)), autojunk=False)
    differences = [
        abs(mine - its)
        for at, to, length in matcher.get_matching_blocks()
        for (_, *times), (_, *their_times) in zip(
            ours[at : at + length], theirs[to : to + length], strict=True
        )
        for mine, its in zip(times, their_times, strict=True)
    ]
    return Apart(median(differences), max(differences)) if differences else None
