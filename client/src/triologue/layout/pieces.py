"""A transcript as pieces of one word each, in runs of one speaker, and where the runs may be cut."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import accumulate
from typing import NamedTuple

from triologue.layout.columns import is_unspaced, may_break, width
from triologue.schema.asr import AsrSegment, AsrWord, TimeInterval
from triologue.sentences import is_spoken, sentence_ends

PAUSE_S = 0.3
"""A silence of this many seconds between two words is as good a place to cut as a clause mark."""

_CLAUSE_MARKS = (",", ";", ":", "–", "—", "،", "؛", "，", "、", "；", "：")
_CLOSING = "\"'”’“»›)]}）］｝」』】》〉〕"


class Piece(NamedTuple):
    """A word, or a part of a text that has no words."""

    word: AsrWord
    """The word, or what stands for it."""
    speaker: str | None
    """Who said it: the word's own speaker, or else the segment's."""
    segment: int
    """Index of the segment."""
    is_timed: bool
    """Whether it is a word of the transcript; otherwise its time is worked out."""
    start: float
    """Start, in seconds."""
    end: float
    """End, in seconds, never before the start."""


class Cut(IntEnum):
    """How good it is to cut behind a piece; larger is better."""

    NEVER = 0
    """The next piece belongs to this one, such as a closing quote."""
    WORD = 1
    """Between two words."""
    CLAUSE = 2
    """Behind a comma or the like, at a pause, or at the end of a segment."""
    SENTENCE = 3
    """Behind a sentence."""


def pieces(segments: Iterable[AsrSegment], *, split_text: bool) -> list[Piece]:
    """Return the words of all segments, and the text of those without words.

    Such a text is one piece, or with `split_text` one for each word, at a time by its share of the columns;
    words that are blank come behind it. A segment with neither is left out.
    """
    found: list[Piece] = []
    for index, segment in enumerate(segments):
        text = " ".join(segment.text.split())
        if text and not any(word.word.strip() for word in segment.words):
            for part in _spread(_parts(text) if split_text else [text], segment.time_interval):
                found.append(_piece(part, segment.speaker, index, is_timed=False))
        for word in segment.words:
            speaker = segment.speaker if word.speaker is None else word.speaker
            found.append(_piece(word, speaker, index, is_timed=True))
    return found


def _piece(word: AsrWord, speaker: str | None, segment: int, *, is_timed: bool) -> Piece:
    start, end = word.time_interval.start, word.time_interval.end
    # The schema lets an interval end before it starts.
    return Piece(word, speaker, segment, is_timed, start, max(start, end))


def _parts(text: str) -> list[str]:
    """Cut a text into words, each with the space before it, and East Asian ones into characters."""
    parts: list[str] = []
    for word in re.findall(r" ?[^ ]+", text):
        first = 0
        for at in range(1, 0 if word.isascii() else len(word)):
            # Without a dictionary it cannot be told where words of Thai begin.
            wide = any(unicodedata.east_asian_width(character) in "WF" for character in word[at - 1 : at + 1])
            if word[at - 1] != " " and wide and may_break(word[at - 1], word[at]):
                parts.append(word[first:at])
                first = at
        parts.append(word[first:])
    return parts


def _spread(parts: Sequence[str], interval: TimeInterval) -> list[AsrWord]:
    """Give each part its share of the time, by its columns, and the first a space if its script has any."""
    edges = list(accumulate(map(width, parts), initial=0))
    duration = max(0.0, interval.duration)
    times = [interval.start + duration * edge / edges[-1] for edge in edges]
    space = "" if is_unspaced(parts[0][0]) else " "
    return [
        AsrWord(
            word=part if at else space + part,
            time_interval=TimeInterval(start=times[at], end=times[at + 1]),
            alignment_confidence=0.0,
        )
        for at, part in enumerate(parts)
    ]


def runs(found: Iterable[Piece], max_gap_s: float) -> Iterator[list[Piece]]:
    """Divide pieces into runs of one speaker, without a silence of more than `max_gap_s` seconds.

    A run also ends where time goes back by more than that, and between words and text without words.
    """
    run: list[Piece] = []
    latest_start = latest_end = 0.0
    for piece in found:
        if run and (
            piece.speaker != run[-1].speaker
            or piece.is_timed != run[-1].is_timed
            or piece.start - latest_end > max_gap_s
            or latest_start - piece.start > max_gap_s
        ):
            yield run
            run = []
        if not run:
            latest_start, latest_end = piece.start, piece.end
        latest_start, latest_end = max(latest_start, piece.start), max(latest_end, piece.end)
        run.append(piece)
    if run:
        yield run


def cuts(run: Sequence[Piece]) -> list[Cut]:
    """Say behind each piece of a run how good it is to cut there."""
    words = [piece.word for piece in run]
    ends = sentence_ends(words)
    found = []
    before = ""
    has_mark = False
    for at, piece in enumerate(run):
        if piece.word.word.strip():
            before = piece.word.word
        if is_spoken(piece.word):
            has_mark = before.rstrip().rstrip(_CLOSING).endswith(_CLAUSE_MARKS)
        after = run[at + 1] if at + 1 < len(run) else None
        if after is not None and _belong_together(before, piece, after):
            found.append(Cut.NEVER)
        elif ends[at]:
            found.append(Cut.SENTENCE)
        elif (
            after is None or has_mark or after.segment != piece.segment or after.start - piece.end >= PAUSE_S
        ):
            found.append(Cut.CLAUSE)
        else:
            found.append(Cut.WORD)
    return found


def _belong_together(before: str, piece: Piece, after: Piece) -> bool:
    # White space at the very start, and empty words, go with what follows them.
    if not before or not is_spoken(after.word):
        return True
    if after.segment != piece.segment:
        return False
    # The last piece may be white space alone, behind the word that counts.
    space = " " if piece.word.word[-1:].isspace() else ""
    return not may_break(before + space, after.word.word)
