"""The merge: a transcript and the speaker turns of one recording become a diarized transcript.

Pure functions over the frozen wire models. No input is changed, and no word is lost, doubled or moved.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from triologue.schema.asr import AsrSegment, AsrWord, SpeakerDiarizationSegment, TimeInterval
from triologue.sentences import is_spoken, sentence_ends, sentences

MAX_SENTENCE_WORDS = 50
"""Longer sentences keep the speaker changes inside them."""
FULL_SEGMENT_WORDS = 50
"""A segment with this many words ends at the next sentence end."""


class PostProcessingForDiarizedAsr:
    """Gives every word and segment of a transcript its speaker."""

    @staticmethod
    def process(
        diarized_segments: Sequence[SpeakerDiarizationSegment],
        transcription_segments: Sequence[AsrSegment],
        merge: bool = False,
    ) -> list[AsrSegment]:
        """Return the transcript as segments of one speaker each, with speakers on the words too.

        A sentence goes as a whole to the speaker of at least half of its words, where there is one. A segment
        of 50 words ends at the next sentence end; `merge` joins neighbouring segments of one speaker again.
        The transcript comes back as it is when it holds no words or there are no turns.

        Raises:
            ValueError: A segment has text but no words.
        """
        if not diarized_segments or not transcription_segments:
            return list(transcription_segments)
        words = _words_of(transcription_segments)
        if not any(map(is_spoken, words)):
            return list(transcription_segments)
        ends = sentence_ends(words)
        speakers = _speakers_by_turn(words, join_touching_turns(diarized_segments))
        speakers = _unite_sentences(words, speakers, ends)
        labelled = [
            word.model_copy(update={"speaker": speaker})
            for word, speaker in zip(words, speakers, strict=True)
        ]
        segments = _regroup(labelled, ends, [segment for segment in transcription_segments if segment.words])
        return _join_neighbours(segments) if merge else segments


def join_touching_turns(
    turns: Iterable[SpeakerDiarizationSegment], pause: float = 0.0
) -> list[SpeakerDiarizationSegment]:
    """Join the turns of one speaker that lie at most `pause` seconds apart.

    Returns:
        The turns in order of their starts.
    """
    joined: list[SpeakerDiarizationSegment] = []
    latest: dict[str, int] = {}
    for turn in sorted(turns, key=lambda turn: turn.time_interval.start):
        at = latest.get(turn.speaker)
        if at is not None and turn.time_interval.start <= joined[at].time_interval.end + pause:
            joined[at] = _extend(joined[at], turn.time_interval.end)
        else:
            latest[turn.speaker] = len(joined)
            joined.append(turn)
    return joined


def _extend(turn: SpeakerDiarizationSegment, end: float) -> SpeakerDiarizationSegment:
    interval = turn.time_interval
    if end <= interval.end:
        return turn
    return turn.model_copy(update={"time_interval": TimeInterval(start=interval.start, end=end)})


class _Span(NamedTuple):
    """A time interval that never ends before it starts, sorted by start."""

    start: float
    end: float

    @classmethod
    def of(cls, item: AsrWord | AsrSegment | SpeakerDiarizationSegment) -> "_Span":
        # The schema lets an interval end before it starts; such a word must not be lost.
        return cls(item.time_interval.start, max(item.time_interval.start, item.time_interval.end))

    def overlap(self, other: "_Span") -> float:
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def gap(self, other: "_Span") -> float:
        return max(0.0, self.start - other.end, other.start - self.end)

    def distance(self, other: "_Span") -> float:
        return abs(self.start - other.start) + abs(self.end - other.end)


class _Track(NamedTuple):
    """The turns of one speaker. They lie apart and in order, so starts and ends are both sorted."""

    speaker: str
    turns: list[_Span]
    starts: list[float]
    ends: list[float]

    def around(self, word: _Span) -> list[_Span]:
        """Return the turns that touch `word`, the last one before it and the first one after it."""
        first = max(0, bisect_left(self.ends, word.start) - 1)
        return self.turns[first : bisect_right(self.starts, word.end) + 1]


def _words_of(segments: Iterable[AsrSegment]) -> list[AsrWord]:
    words: list[AsrWord] = []
    for segment in segments:
        if segment.text.strip() and not segment.words:
            raise ValueError("Word-level timestamps are required for diarized ASR.")
        words += segment.words
    return words


def _speakers_by_turn(words: Sequence[AsrWord], turns: Iterable[SpeakerDiarizationSegment]) -> list[str]:
    """Give each word the speaker of its turn, or else of the labelled word before it."""
    tracks = _tracks(turns)
    own: list[str | None] = []
    nearest: list[str | None] = []
    for word in words:
        span = _Span.of(word)
        turn, speaker = _best_turn(span, tracks)
        spoken = is_spoken(word)
        own.append(speaker if spoken and _lies_in(span, turn) else None)
        nearest.append(speaker if spoken else None)
    nobody = all(speaker is None for speaker in own)
    return _fill_gaps(nearest if nobody else own)


def _tracks(turns: Iterable[SpeakerDiarizationSegment]) -> list[_Track]:
    by_speaker: dict[str, list[_Span]] = {}
    for turn in turns:
        by_speaker.setdefault(turn.speaker, []).append(_Span.of(turn))
    return [
        _Track(speaker, spans, [span.start for span in spans], [span.end for span in spans])
        for speaker, spans in by_speaker.items()
    ]


def _best_turn(word: _Span, tracks: Iterable[_Track]) -> tuple[_Span, str]:
    """Return the turn with the largest overlap, among equals the nearest, and its speaker."""
    return min(
        ((turn, track.speaker) for track in tracks for turn in track.around(word)),
        key=lambda found: (-word.overlap(found[0]), word.gap(found[0]), word.distance(found[0]), found),
    )


def _lies_in(word: _Span, turn: _Span) -> bool:
    # Whisper writes words of no length, which overlap nothing, not even the turn around them.
    return word.overlap(turn) > 0.0 or (word.start == word.end and word.gap(turn) == 0.0)


def _fill_gaps(labels: Sequence[str | None]) -> list[str]:
    """Repeat the label before each gap; a gap at the very start takes the first label there is."""
    current = next(label for label in labels if label is not None)
    filled = []
    for label in labels:
        current = current if label is None else label
        filled.append(current)
    return filled


def _unite_sentences(words: Sequence[AsrWord], speakers: Sequence[str], ends: Sequence[bool]) -> list[str]:
    """Give each sentence to the speaker of at least half of its words, where there is one."""
    united = list(speakers)
    for first, stop in sentences(ends):
        votes = Counter(speakers[at] for at in range(first, stop) if is_spoken(words[at]))
        # Among equal counts `most_common` puts first the speaker met first.
        speaker, count = votes.most_common(1)[0]
        if votes.total() <= MAX_SENTENCE_WORDS and 2 * count >= votes.total():
            united[first:stop] = [speaker] * (stop - first)
    return united


def _regroup(
    words: Sequence[AsrWord], ends: Sequence[bool], originals: Iterable[AsrSegment]
) -> list[AsrSegment]:
    """Cut the words into segments of one speaker; each takes its confidences from an original segment."""
    originals = sorted(originals, key=_Span.of)
    spans = [_Span.of(original) for original in originals]
    return [
        _segment(words[first:stop], originals[_closest_to_most(words[first:stop], spans)])
        for first, stop in _segment_bounds(words, ends)
    ]


def _segment_bounds(words: Sequence[AsrWord], ends: Sequence[bool]) -> Iterator[tuple[int, int]]:
    first = 0
    for at in range(1, len(words)):
        full = at - first >= FULL_SEGMENT_WORDS and ends[at - 1]
        if full or words[at].speaker != words[at - 1].speaker:
            yield first, at
            first = at
    yield first, len(words)


def _segment(words: Sequence[AsrWord], source: AsrSegment) -> AsrSegment:
    interval = TimeInterval(
        start=words[0].time_interval.start, end=max(word.time_interval.end for word in words)
    )
    return source.model_copy(
        update={
            "text": "".join(word.word for word in words),
            "time_interval": interval,
            "words": list(words),
            "speaker": words[0].speaker,
        }
    )


def _closest_to_most(words: Iterable[AsrWord], spans: Sequence[_Span]) -> int:
    """Return the index of the span that most words are closest to.

    Among equals it is the one that covers more of the time of those words, then the earlier one.
    """
    votes: Counter[int] = Counter()
    covered: dict[int, float] = {}
    for word in map(_Span.of, words):
        at = _closest(word, spans)
        votes[at] += 1
        covered[at] = covered.get(at, 0.0) + word.overlap(spans[at])
    return max(votes, key=lambda at: (votes[at], covered[at], -at))


def _closest(word: _Span, spans: Sequence[_Span]) -> int:
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


def _join_neighbours(segments: Iterable[AsrSegment]) -> list[AsrSegment]:
    return [_join(list(run)) for _, run in groupby(segments, key=lambda segment: segment.speaker)]


def _join(segments: Sequence[AsrSegment]) -> AsrSegment:
    if len(segments) == 1:
        return segments[0]
    joined = _segment([word for segment in segments for word in segment.words], segments[0])
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
