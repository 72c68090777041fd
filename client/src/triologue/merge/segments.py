"""Segments of one speaker each, out of words that have one."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from triologue.merge.spans import Span
from triologue.schema.asr import AsrSegment, AsrWord, TimeInterval
from triologue.sentences import sentence_ends

FULL_SEGMENT_WORDS = 50
"""A segment with this many words ends at the next sentence end."""


def regroup(
    words: Sequence[AsrWord], originals: Sequence[AsrSegment], origin: Sequence[int]
) -> list[AsrSegment]:
    """Cut words into segments of one speaker each, of which no two of one speaker overlap.

    A segment of `FULL_SEGMENT_WORDS` words ends at the next sentence end. Its confidences are those of the
    original that most of its words come from; among equals the one that covers more of their time, then the
    earlier one.

    Args:
        words: With their speakers; at least one.
        originals: Segments of the transcript.
        origin: Index into `originals` for each word.
    """
    spans = [Span.of(original) for original in originals]
    said_to: dict[str | None, float] = {}  # when the last segment of a speaker ends
    segments = []
    for first, stop in _segment_bounds(words, sentence_ends(words)):
        source = originals[_most_of(words[first:stop], origin[first:stop], spans)]
        segment = _segment(words[first:stop], source, said_to.get(words[first].speaker, 0.0))
        said_to[segment.speaker] = segment.time_interval.end
        segments.append(segment)
    return segments


def origins_by_membership(segments: Iterable[AsrSegment]) -> list[int]:
    """Return for each word of some segments the index of its own."""
    return [at for at, segment in enumerate(segments) for _ in segment.words]


def origins_by_distance(words: Iterable[AsrWord], segments: Sequence[AsrSegment]) -> list[int]:
    """Return for each word the index of the segment whose start and end are closest to its own."""
    order = sorted(range(len(segments)), key=lambda at: Span.of(segments[at]))
    spans = [Span.of(segments[at]) for at in order]
    return [order[_closest(Span.of(word), spans)] for word in words]


def _segment_bounds(words: Sequence[AsrWord], ends: Sequence[bool]) -> Iterator[tuple[int, int]]:
    first = 0
    for at in range(1, len(words)):
        full = at - first >= FULL_SEGMENT_WORDS and ends[at - 1]
        if full or words[at].speaker != words[at - 1].speaker:
            yield first, at
            first = at
    yield first, len(words)


def _segment(words: Sequence[AsrWord], source: AsrSegment, earliest: float) -> AsrSegment:
    start = max(earliest, words[0].time_interval.start)
    end = max(start, *(word.time_interval.end for word in words))
    return source.model_copy(
        update={
            "text": "".join(word.word for word in words),
            "time_interval": TimeInterval(start=start, end=end),
            "words": list(words),
            "speaker": words[0].speaker,
        }
    )


def _most_of(words: Iterable[AsrWord], origin: Iterable[int], spans: Sequence[Span]) -> int:
    votes: Counter[int] = Counter()
    covered: dict[int, float] = {}
    for word, at in zip(map(Span.of, words), origin, strict=True):
        votes[at] += 1
        covered[at] = covered.get(at, 0.0) + word.overlap(spans[at])
    return max(votes, key=lambda at: (votes[at], covered[at], -at))


def _closest(word: Span, spans: Sequence[Span]) -> int:
    """Return the index of the span whose start and end are closest to those of `word`.

    Among equals it is the one that covers more of the word, then the earlier one. `spans` is sorted.
    """
    best = (math.inf, 0.0, 0)
    middle = bisect_left(spans, word)
    for side in (range(middle - 1, -1, -1), range(middle, len(spans))):
        for at in side:
            # Starts move away from here on, and the starts alone are already too far apart.
            if abs(spans[at].start - word.start) > best[0]:
                break
            best = min(best, (word.distance(spans[at]), -word.overlap(spans[at]), at))
    return best[2]


def join_neighbours(segments: Iterable[AsrSegment]) -> list[AsrSegment]:
    """Join neighbouring segments of one speaker; confidences are means, weighted by words."""
    return [_join(list(run)) for _, run in groupby(segments, key=lambda segment: segment.speaker)]


def _join(segments: Sequence[AsrSegment]) -> AsrSegment:
    if len(segments) == 1:
        return segments[0]
    words = [word for segment in segments for word in segment.words]
    joined = _segment(words, segments[0], segments[0].time_interval.start)
    weights = [len(segment.words) for segment in segments]
    return joined.model_copy(
        update={
            "confidence": _mean([segment.confidence for segment in segments], weights),
            "no_speech_confidence": _mean([segment.no_speech_confidence for segment in segments], weights),
        }
    )


def _mean(values: Iterable[float | None], weights: Iterable[int]) -> float | None:
    """Return the weighted mean of the values that are known, `None` when none is."""
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    if not known:
        return None
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known)
