"""Comparing transcripts: what counts as a word, and how many are wrong.

English is compared as Whisper's authors do (Radford et al., arXiv 2212.04356, appendix C): without fillers,
contractions in full, numbers in figures, in American spelling. Other languages are compared in lower case and
without punctuation; Whisper's own way for them drops the vowel signs of Indian ones. In languages that are
written without spaces every character counts as a word.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from statistics import median

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer

_WITHOUT_SPACES = {"ja", "zh", "yue", "th", "lo", "my", "km"}
_APOSTROPHES = str.maketrans("’‘ʼ", "'''")

Timed = tuple[str, float, float]
"""A word, its start and its end in seconds."""


def unit_of(language: str | None) -> str:
    """Return what is counted in a language: `words` or `characters`."""
    return "characters" if language in _WITHOUT_SPACES else "words"


def words_of(text: str, language: str | None) -> list[str]:
    """Return what counts as the words of a text."""
    if language == "en":
        # Only straight apostrophes are those of contractions to it.
        return str(_english()(text.translate(_APOSTROPHES))).split()
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


@cache
def _english() -> EnglishTextNormalizer:
    return EnglishTextNormalizer()


def errors(reference: Sequence[str], heard: Sequence[str]) -> Errors:
    """Count the fewest words to leave out, put in or change that make one text of the other."""
    found = jiwer.process_words(" ".join(reference), " ".join(heard))
    return Errors(found.substitutions + found.deletions + found.insertions, len(reference))


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
