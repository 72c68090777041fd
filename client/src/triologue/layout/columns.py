"""Lines of text: how wide they are, where they may be broken, and how a text is spread over several."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

# Small kana and marks of length and repetition: they belong to the character before them.
_NEVER_FIRST = frozenset("ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶーゝゞヽヾ々")
# Thai and Lao, Burmese: with the East Asian scripts, those that Whisper writes without spaces.
_OTHERS_WITHOUT_SPACES = (("\u0e00", "\u0eff"), ("\u1000", "\u109f"))
# How far from the even width a line may end for the sake of a better break, as a part of the longest line.
_BETTER_BREAK = 0.25


class Unit(NamedTuple):
    """Text that is never broken: a word, with the marks that belong to it."""

    text: str
    """The text, without white space at its ends."""
    width: int
    """Its columns."""
    has_space: bool
    """Whether white space separates it from the unit before it."""
    is_good_end: bool
    """Whether a line ends well behind it: at a mark or a pause."""


def width(text: str) -> int:
    """Return the columns that a text takes: two for a wide East Asian character, none for a combining mark.

    Text that is not empty takes one at least.
    """
    if text.isascii():
        return len(text)
    return max(1, sum(map(_columns, text)))


@lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@lru_cache(maxsize=4096)
def is_unspaced(character: str) -> bool:
    """Tell the characters of scripts that are written without spaces."""
    if unicodedata.east_asian_width(character) in "WF":
        # Korean is as wide, and has spaces.
        return not unicodedata.name(character, "").startswith(("HANGUL", "HALFWIDTH HANGUL"))
    return any(first <= character <= last for first, last in _OTHERS_WITHOUT_SPACES)


def may_break(before: str, after: str) -> bool:
    """Say whether a line may end between two neighbouring words, neither of them blank.

    It may at white space and in scripts without spaces, but not behind an opening quote or bracket, nor
    before marks that belong to the word before them.
    """
    last, first = before[-1], after[0]
    if last.isspace() or first.isspace():
        return not all(map(_opens, before.strip()))
    if first in _NEVER_FIRST or unicodedata.category(first)[0] == "M" or _opens(last):
        return False
    return not all(map(_closes, after.rstrip())) and (is_unspaced(last) or is_unspaced(first))


def _opens(mark: str) -> bool:
    # “ closes in German, where it may be a word of its own.
    return unicodedata.category(mark) in ("Ps", "Pi") and mark != "“"


def _closes(mark: str) -> bool:
    return unicodedata.category(mark) in ("Po", "Pe", "Pf", "Pd") or mark == "“"


def fold(units: Sequence[Unit], limit: int, max_lines: int) -> tuple[str, ...]:
    """Write units on as few lines of up to `limit` columns as they need, of about the same width.

    A line ends at a mark or a pause where that keeps the lines nearly even. Lines get longer than `limit`
    where there would be more than `max_lines` of them.
    """
    edges = [0]
    for unit in units:
        edges.append(edges[-1] + unit.has_space + unit.width)
    stops = _furthest_stops(units, edges, limit)
    needed = [0] * (len(units) + 1)
    for first in range(len(units) - 1, -1, -1):
        needed[first] = 1 + needed[stops[first]]
    lines = []
    first = 0
    for left in range(min(needed[0], max_lines), 0, -1):
        stop = len(units)
        if left > 1:
            even = (edges[stop] - edges[first]) / left
            able = [at for at in range(first + 1, stops[first] + 1) if 0 < needed[at] < left] or [
                stops[first]
            ]
            stop = min(able, key=lambda at: _unevenness(units[at - 1], edges[at] - edges[first], even, limit))
        lines.append(_join(units[first:stop]))
        first = stop
    return tuple(lines)


def _furthest_stops(units: Sequence[Unit], edges: Sequence[int], limit: int) -> list[int]:
    """Say for each unit where the line that begins with it has to stop."""
    stops = []
    stop = 0
    for first, unit in enumerate(units):
        stop = max(stop, first + 1)
        while stop < len(units) and edges[stop + 1] - edges[first] - unit.has_space <= limit:
            stop += 1
        stops.append(stop)
    return stops


def _unevenness(last: Unit, columns: int, even: float, limit: int) -> float:
    return abs(columns - even) / limit + (0.0 if last.is_good_end else _BETTER_BREAK)


def _join(units: Sequence[Unit]) -> str:
    return "".join(" " + unit.text if at and unit.has_space else unit.text for at, unit in enumerate(units))
