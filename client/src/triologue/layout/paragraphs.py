"""Paragraphs: a transcript as stretches of one speaker that are pleasant to read."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from triologue.layout.pieces import Cut, Piece, cuts, pieces, runs
from triologue.schema.asr import AsrSegment, TimeInterval

MAX_SECONDS = 30.0
"""About 75 words of English."""
MAX_GAP_S = 2.0


def paragraphs(
    segments: Iterable[AsrSegment], *, max_seconds: float = MAX_SECONDS, max_gap_s: float = MAX_GAP_S
) -> list[AsrSegment]:
    """Cut a transcript anew, in its order, into segments that end with sentences.

    Each word is in one paragraph, unchanged. A paragraph has one speaker, lasts for `max_seconds` at most,
    and holds no silence of more than `max_gap_s`. It takes as many whole sentences as there is room for. A
    longer sentence is cut at a clause mark or a pause, or else between two words; a longer word stays whole.
    So does a segment without words, which is joined to others of its kind alone. Where words have another
    speaker than their segment, theirs counts. A segment with neither words nor text is left out.

    Confidences are the means over the segments that a paragraph is made of, by characters.

    Raises:
        ValueError: `max_seconds` is not above zero, or `max_gap_s` is below.
    """
    if not max_seconds > 0.0:
        raise ValueError(f"max_seconds: give a number above 0 (got {max_seconds})")
    if not max_gap_s >= 0.0:
        raise ValueError(f"max_gap_s: give a number of at least 0 (got {max_gap_s})")
    segments = list(segments)
    found = pieces(segments, split_text=False)
    sizes = Counter(piece.segment for piece in found)
    return [
        _paragraph(run[first:stop], segments, sizes)
        for run in runs(found, max_gap_s)
        for first, stop in _bounds(run, max_seconds)
    ]


def _bounds(run: Sequence[Piece], max_seconds: float) -> Iterator[tuple[int, int]]:
    behind = cuts(run)
    first = at = 0
    end = 0.0
    best: tuple[Cut, int] | None = None
    # What is behind a cut is gone through again. It holds no other cut as good, so that happens to a piece
    # but a few times, however long the run.
    while at < len(run):
        end = max(end, run[at].end)
        if best and end - run[first].start > max_seconds:
            yield first, best[1]
            first = at = best[1]
            end, best = 0.0, None
        else:
            at += 1
            best = max(best or (Cut.NEVER, at), (behind[at - 1], at))
    yield first, len(run)


def _paragraph(run: Sequence[Piece], segments: Sequence[AsrSegment], sizes: Mapping[int, int]) -> AsrSegment:
    source = segments[run[0].segment]
    is_whole = run[-1].segment == run[0].segment and len(run) == sizes[run[0].segment]
    if is_whole and source.speaker == run[0].speaker:
        return source
    interval = TimeInterval(start=run[0].start, end=max(piece.end for piece in run))
    shares: Counter[int] = Counter()
    for piece in run:
        shares[piece.segment] += len(piece.word.word.strip())
    return source.model_copy(
        update={
            "text": "".join(piece.word.word for piece in run),
            "time_interval": interval,
            "words": [piece.word for piece in run if piece.is_timed],
            "speaker": run[0].speaker,
            "confidence": _mean((segments[at].confidence, share) for at, share in shares.items()),
            "no_speech_confidence": _mean(
                (segments[at].no_speech_confidence, share) for at, share in shares.items()
            ),
        }
    )


def _mean(weighted: Iterable[tuple[float | None, int]]) -> float | None:
    """Return the weighted mean of the values that are known, `None` when none is or all weigh nothing."""
    known = [(value, weight) for value, weight in weighted if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None
