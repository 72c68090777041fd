"""Subtitles: a transcript cut into cues that can be read while they are shown."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby, pairwise, zip_longest
from typing import NamedTuple

from pydantic import Field

from triologue.layout.columns import Unit, fold, width
from triologue.layout.pieces import Cut, Piece, cuts, pieces, runs
from triologue.schema.asr import AsrSegment, AsrWord
from triologue.schema.base import WireModel

# What makes one way of cutting worse than another; a way costs the sum over its cues.
_CUE = 1.0
_SENTENCE_INSIDE = 2.0  # A sentence that could have had a cue of its own.
_TOO_FAST = 3.0  # Times the part of the time for reading that is missing.
_EMPTY = 0.5  # Times the square of the part that is empty: cues of a sentence become alike.
# A cue that can be read takes in no more further sentences than this, which would be too short by themselves.
_MAX_PASSED = 2
_CUT_COSTS = {Cut.SENTENCE: 0.0, Cut.CLAUSE: 0.5, Cut.WORD: 1.5, Cut.NEVER: 1.5}


class CueStyle(WireModel):
    """How cues are cut.

    The defaults are those of Netflix's Timed Text Style Guide, "General Requirements" and "English Template":
    42 characters, 2 lines, 17 characters a second, 5/6 of a second to 7 seconds. A wide East Asian character
    counts as two, and a combining mark as none.
    """

    max_chars_per_line: int = Field(default=42, ge=1)
    """Longest line; a single word that is longer has a line of its own."""
    max_lines: int = Field(default=2, ge=1)
    """Lines of a cue."""
    max_chars_per_second: float = Field(default=17.0, gt=0.0)
    """Reading speed; a faster cue stays for longer, until the next one at most. Labels are not read anew."""
    min_seconds: float = Field(default=5 / 6, ge=0.0)
    """Shortest time a cue is shown, in seconds, where the next one leaves it so much."""
    max_seconds: float = Field(default=7.0, gt=0.0)
    """Longest time a cue is shown, in seconds; a single word that lasts longer is shown for as long."""
    max_gap_s: float = Field(default=1.5, ge=0.0)
    """Longest silence inside a cue, in seconds."""
    show_speaker: bool = False
    """Begin each cue with its speaker and a colon, where the speaker is known. They take room on the line."""


class Cue(WireModel):
    """A subtitle: some words of one speaker."""

    start: float
    """When it appears, in seconds."""
    end: float
    """When it vanishes, in seconds."""
    lines: tuple[str, ...]
    """What it shows; nothing when its words are blank."""
    speaker: str | None
    """Who is speaking, `None` when that is not known."""
    words: tuple[AsrWord, ...]
    """Its words as they are in the transcript; none when it is made of text without words."""


def cues(segments: Iterable[AsrSegment], style: CueStyle | None = None) -> list[Cue]:
    """Cut a transcript into cues, in its order; without a style, in the default one.

    Each word is in one cue, unchanged. A cue has one speaker, and ends at the end of a sentence, or else at a
    clause mark or a pause, or else between two words. A segment without words is cut by its text, which is
    spread over its time by its characters; one with neither is left out. Where words have another speaker
    than their segment, theirs counts.

    A cue appears with its first word, and vanishes after its last, or later if reading takes longer, but not
    after the next cue has appeared. Cues that would appear at the same moment share the time until the next
    one. They overlap only where time goes back, from one word to the next, by more than `max_gap_s`.
    """
    style = style or CueStyle()
    drafts: list[_Draft] = []
    clock = 0.0
    stretches = list(runs(pieces(segments, split_text=True), style.max_gap_s))
    for at, run in enumerate(stretches):
        if clock - run[0].start > style.max_gap_s:
            clock = 0.0
        following = stretches[at + 1][0].start if at + 1 < len(stretches) else math.inf
        stretch = _Stretch(run, clock, following, style)
        drafts += stretch.drafts()
        clock = stretch.blocks[-1].start
    return list(_timed(drafts))


class _Block(NamedTuple):
    """Pieces that stay together on one line."""

    first: int
    stop: int
    unit: Unit
    start: float
    """When the first is said, and never before the block before it."""
    end: float
    """When all have been said; what is blank does not count."""
    cut: Cut
    """How good it is to cut behind it."""


class _Draft(NamedTuple):
    """A cue whose end depends on the next one."""

    start: float
    said: float
    """When all its words have been said."""
    reading: float
    """Seconds it takes to read."""
    lines: tuple[str, ...]
    speaker: str | None
    words: tuple[AsrWord, ...]


class _Stretch:
    """A run of pieces, which is cut into cues by itself."""

    def __init__(self, run: Sequence[Piece], clock: float, following: float, style: CueStyle) -> None:
        """Take a run that begins at `clock` or later, and is followed by a piece at `following`."""
        self._run = run
        self._following = following
        self._style = style
        speaker = run[0].speaker if style.show_speaker else None
        self._label = Unit(f"{speaker}:", width(f"{speaker}:"), False, False) if speaker else None
        # A space separates it from the text.
        self._label_columns = self._label.width + 1 if self._label else 0
        # The only line has to hold the label too.
        room = style.max_chars_per_line - (self._label_columns if style.max_lines == 1 else 0)
        self.blocks = _blocks(run, clock, room, style.max_seconds)
        self._edges = list(accumulate((b.unit.has_space + b.unit.width for b in self.blocks), initial=0))

    def drafts(self) -> Iterator[_Draft]:
        """Cut the run in the way that costs least."""
        ends = self._phrase_ends()
        costs = [0.0] + [math.inf] * len(ends)
        origins = [0] * len(costs)
        for origin, first in enumerate([0, *ends[:-1]]):
            reach = self._reach(first, len(self.blocks))
            sentences = passed = 0
            for at in range(origin, len(ends)):
                # A phrase has been made to fit.
                if (ends[at] > reach and at > origin) or passed > _MAX_PASSED:
                    break
                cost, is_readable = self._cost(first, ends[at])
                cost += costs[origin] + _SENTENCE_INSIDE * sentences
                if not costs[at + 1] <= cost:
                    costs[at + 1], origins[at + 1] = cost, origin
                if self.blocks[ends[at] - 1].cut is Cut.SENTENCE:
                    sentences += 1
                    passed += is_readable
        bounds = [len(ends)]
        while bounds[-1]:
            bounds.append(origins[bounds[-1]])
        edges = [0, *ends]
        for first, stop in pairwise(edges[at] for at in reversed(bounds)):
            yield self._draft(first, stop)

    def _phrase_ends(self) -> list[int]:
        """Divide the blocks at all marks and pauses, and what is still too long for a cue evenly."""
        ends = []
        first = 0
        for at, block in enumerate(self.blocks, start=1):
            if block.cut < Cut.CLAUSE and at < len(self.blocks):
                continue
            while first < at:
                reach = self._reach(first, at)
                first = reach if reach == at else self._even_cut(first, reach, at)
                ends.append(first)
        return ends

    def _even_cut(self, first: int, reach: int, stop: int) -> int:
        """Return where to cut, at `reach` or before, so that all parts up to `stop` become alike."""
        style = self._style
        columns = self._edges[stop] - self._edges[first]
        room = max(1, style.max_lines * style.max_chars_per_line - self._label_columns)
        seconds = self.blocks[stop - 1].end - self.blocks[first].start
        parts = max(2, math.ceil(min(stop - first, max(columns / room, seconds / style.max_seconds))))
        target = self._edges[first] + columns / parts
        return min(range(first + 1, reach + 1), key=lambda at: abs(self._edges[at] - target))

    def _reach(self, first: int, stop: int) -> int:
        """Return where a cue that begins with a block has to stop, at `stop` or before."""
        style = self._style
        lines, column = 1, self._label_columns
        start, end = self.blocks[first].start, 0.0
        for at in range(first, stop):
            unit = self.blocks[at].unit
            space = unit.has_space and at > first
            end = max(end, self.blocks[at].end)
            if column and column + space + unit.width > style.max_chars_per_line:
                lines, column = lines + 1, unit.width
            else:
                column += space + unit.width
            if at > first and (lines > style.max_lines or end - start > style.max_seconds):
                return at
        return stop

    def _columns(self, first: int, stop: int) -> int:
        # The space before the first block is not shown.
        return self._edges[stop] - self._edges[first] - self.blocks[first].unit.has_space

    def _reading(self, first: int, stop: int) -> float:
        style = self._style
        seconds = self._columns(first, stop) / style.max_chars_per_second
        return min(style.max_seconds, max(style.min_seconds, seconds))

    def _cost(self, first: int, stop: int) -> tuple[float, bool]:
        """Say how bad a cue is, sentences that end inside it aside, and whether it can be read in time."""
        start = self.blocks[first].start
        following = self.blocks[stop].start if stop < len(self.blocks) else self._following
        reading = self._reading(first, stop)
        missing = 0.0
        if start <= following < start + reading:
            missing = 1.0 - (following - start) / reading
        room = self._style.max_lines * self._style.max_chars_per_line
        empty = max(0.0, 1.0 - (self._label_columns + self._columns(first, stop)) / room)
        cut = _CUT_COSTS[self.blocks[stop - 1].cut]
        return _CUE + cut + _TOO_FAST * missing + _EMPTY * empty * empty, not missing

    def _draft(self, first: int, stop: int) -> _Draft:
        blocks = self.blocks[first:stop]
        units = [block.unit for block in blocks]
        is_blank = not any(unit.text for unit in units)
        if self._label:
            units[:1] = [self._label, units[0]._replace(has_space=True)]
        covered = self._run[blocks[0].first : blocks[-1].stop]
        style = self._style
        return _Draft(
            start=blocks[0].start,
            said=max(block.end for block in blocks),
            reading=0.0 if is_blank else self._reading(first, stop),
            lines=() if is_blank else fold(units, style.max_chars_per_line, style.max_lines),
            speaker=covered[0].speaker,
            words=tuple(piece.word for piece in covered if piece.is_timed),
        )


def _blocks(run: Sequence[Piece], clock: float, room: int, max_seconds: float) -> list[_Block]:
    """Join what belongs together, as long as it fits into `room` columns and `max_seconds`."""
    behind = cuts(run)
    blocks: list[_Block] = []
    first = 0
    start = clock
    is_behind_space = False
    for stop in range(1, len(run) + 1):
        if stop < len(run) and behind[stop - 1] is Cut.NEVER and _fit(run, first, stop, room, max_seconds):
            continue
        joined = run[first:stop]
        text = "".join([piece.word.word for piece in joined])
        said = " ".join(text.split())
        unit = Unit(said, width(said), is_behind_space or text[:1].isspace(), behind[stop - 1] >= Cut.CLAUSE)
        start = max(start, joined[0].start)
        end = max(start, _said(joined))
        blocks.append(_Block(first, stop, unit, start, end, behind[stop - 1]))
        first = stop
        is_behind_space = text[-1:].isspace()
    return blocks


def _fit(run: Sequence[Piece], first: int, last: int, room: int, max_seconds: float) -> bool:
    """Say whether the last of these pieces may go with the others; what is blank always may."""
    if not run[last].word.word.strip():
        return True
    joined = run[first : last + 1]
    words = [piece.word.word for piece in joined]
    if not "".join(words[:-1]).strip():
        return True
    columns = width(" ".join("".join(words).split()))
    return columns <= room and _said(joined) - joined[0].start <= max_seconds


def _said(joined: Sequence[Piece]) -> float:
    return max([piece.end for piece in joined if piece.word.word.strip()], default=0.0)


def _timed(drafts: Iterable[_Draft]) -> Iterator[Cue]:
    """Give each cue its end, and cues of the same start a share of the time, by what reading them takes."""
    groups = [list(group) for _, group in groupby(drafts, key=lambda draft: draft.start)]
    for group, following in zip_longest(groups, groups[1:]):
        start = group[0].start
        reading = list(accumulate((draft.reading for draft in group), initial=0.0))
        end = max(start + reading[-1], *(draft.said for draft in group))
        if following and following[0].start > start:
            end = min(end, following[0].start)
        share = min(1.0, (end - start) / reading[-1]) if reading[-1] else 0.0
        times = [start, *(min(end, start + share * read) for read in reading[1:-1]), end]
        for draft, (appears, vanishes) in zip(group, pairwise(times), strict=True):
            yield Cue(
                start=appears, end=vanishes, lines=draft.lines, speaker=draft.speaker, words=draft.words
            )
