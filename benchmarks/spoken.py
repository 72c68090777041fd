"""Who says what, as people wrote it down and as a system did, and how far the two differ."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import jiwer
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.words import Errors, errors, words_of
from triologue import AsrSegment

NOBODY = "nobody"
"""Who says what no speaker was found for; they count as one more."""

_LABEL = re.compile(r"<[^>]*>\s*")
_CTM_SPEAKER = 7  # column of a speaker, behind confidence and type


class Spoken(NamedTuple):
    """What somebody says without a break."""

    speaker: str
    """Who."""
    start: float
    """When it begins, in seconds."""
    end: float
    """When it ends, in seconds."""
    text: str
    """The words."""


def read_stm(path: Path) -> list[Spoken]:
    """Read an STM file: `file channel speaker start end [<label>] words`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line cannot be read.
    """
    return _read(path, _stm_line)


def read_ctm(path: Path) -> list[Spoken]:
    """Read a CTM file: `file channel start duration word [confidence [type [speaker]]]`.

    Where no speaker is given, each channel is one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line cannot be read.
    """
    return _read(path, _ctm_line)


def _read(path: Path, parse: Callable[[str], Spoken]) -> list[Spoken]:
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith(";;"):
            try:
                found.append(parse(line))
            except ValueError:
                raise ValueError(f"{path}, line {number} does not say who says what: {line}") from None
    return found


def _stm_line(line: str) -> Spoken:
    _, _, speaker, start, end, *text = line.strip().split(maxsplit=5)
    return Spoken(speaker, float(start), float(end), _LABEL.sub("", text[0], count=1) if text else "")


def _ctm_line(line: str) -> Spoken:
    fields = line.split()
    _, channel, start, duration, word, *_ = fields
    speaker = fields[_CTM_SPEAKER] if len(fields) > _CTM_SPEAKER else channel
    return Spoken(speaker, float(start), float(start) + float(duration), word)


def spoken_by(segments: Iterable[AsrSegment]) -> list[Spoken]:
    """Return what a transcript says, by speaker."""
    return [
        Spoken(
            segment.speaker or NOBODY, segment.time_interval.start, segment.time_interval.end, segment.text
        )
        for segment in segments
    ]


def text_of(spoken: Iterable[Spoken]) -> str:
    """Return all that is said; who speaks over somebody else is read after them."""
    return " ".join(word for one in _in_order(spoken) for word in one.text.split())


def _in_order(spoken: Iterable[Spoken]) -> list[Spoken]:
    return sorted(spoken, key=attrgetter("start"))


@dataclass(frozen=True)
class SpokenScore:
    """How wrong a transcript with speakers is, or several are."""

    words: Errors
    """Of the words alone, whoever says them: word error rate."""
    attributed: Errors
    """Of each speaker's words, with the assignment of speakers that has the fewest errors: cpWER
    (Watanabe et al., "CHiME-6 challenge", arXiv 2004.09249)."""
    confused: Errors
    """Of the words that were heard, rightly or not, those that have the wrong speaker: word diarization error
    rate (Shafey et al., arXiv 1907.05337)."""
    speakers: int
    """Speakers that were found."""
    in_reference: int
    """Speakers in the references."""

    def __add__(self, other: "SpokenScore") -> "SpokenScore":
        return SpokenScore(
            self.words + other.words,
            self.attributed + other.attributed,
            self.confused + other.confused,
            self.speakers + other.speakers,
            self.in_reference + other.in_reference,
        )


def score(reference: Sequence[Spoken], heard: Sequence[Spoken], language: str | None) -> SpokenScore:
    """Score the transcript of a recording; who speaks over somebody else is read after them."""
    wanted, found = (_words(spoken, language) for spoken in (reference, heard))
    return SpokenScore(
        words=errors(_texts(wanted), _texts(found)),
        attributed=Errors(_fewest_errors(_by_speaker(wanted), _by_speaker(found)), len(wanted)),
        confused=_wrong_speakers(_aligned(wanted, found)),
        speakers=len({one.speaker for one in heard} - {NOBODY}),
        in_reference=len({one.speaker for one in reference}),
    )


class _Word(NamedTuple):
    speaker: str
    text: str


def _words(spoken: Iterable[Spoken], language: str | None) -> list[_Word]:
    """Return what counts as words."""
    # Together until somebody else speaks: "twenty" and "five" are two words apart, and "25" is one.
    runs = groupby(_in_order(spoken), key=attrgetter("speaker"))
    return [
        _Word(speaker, word)
        for speaker, run in runs
        for word in words_of(" ".join(one.text for one in run), language)
    ]


def _texts(words: Iterable[_Word]) -> list[str]:
    return [word.text for word in words]


def _by_speaker(words: Iterable[_Word]) -> list[list[str]]:
    said: dict[str, list[str]] = {}
    for word in words:
        said.setdefault(word.speaker, []).append(word.text)
    return list(said.values())


def _fewest_errors(wanted: list[list[str]], found: list[list[str]]) -> int:
    """Count wrong words, each speaker's words compared with those of one who was found, or with none."""
    number = max(len(wanted), len(found))
    ours, theirs = (said + [[]] * (number - len(said)) for said in (wanted, found))
    return _best([[errors(one, other).wrong for other in theirs] for one in ours], maximize=False)


def _aligned(wanted: Sequence[_Word], found: Sequence[_Word]) -> list[tuple[str, str]]:
    """Return who says each word that was heard, and who is said to."""
    alignment = jiwer.process_words(" ".join(_texts(wanted)), " ".join(_texts(found)))
    return [
        (word.speaker, other.speaker)
        for chunk in alignment.alignments[0]
        if chunk.type in {"equal", "substitute"}
        for word, other in zip(
            wanted[chunk.ref_start_idx : chunk.ref_end_idx],
            found[chunk.hyp_start_idx : chunk.hyp_end_idx],
            strict=True,
        )
    ]


def _wrong_speakers(pairs: Sequence[tuple[str, str]]) -> Errors:
    """Count pairs of one speaker of the reference and one that was found who do not belong together."""
    together: Mapping[tuple[str, str], int] = Counter(pairs)
    ours, theirs = (dict.fromkeys(pair[side] for pair in together) for side in (0, 1))
    right = _best([[together[one, other] for other in theirs] for one in ours], maximize=True)
    return Errors(len(pairs) - right, len(pairs))


def _best(counts: list[list[int]], maximize: bool) -> int:
    """Return the sum of the best choice of counts, none of which share a row or a column."""
    if not counts:
        return 0
    table: NDArray[np.int64] = np.array(counts)
    return int(table[linear_sum_assignment(table, maximize=maximize)].sum())
