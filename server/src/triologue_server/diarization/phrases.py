"""Phrases: pieces of a transcript that one person says, and how the embedding network hears each of them.

The segmentation network tells people apart by their sound alone, and takes two who follow each other in a
noisy room for one. The transcript says where one may stop: at the end of a sentence, at a pause.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from triologue.merge.spans import Span
from triologue.schema import AsrWord
from triologue.sentences import sentence_ends
from triologue_server.audio import SAMPLE_RATE
from triologue_server.diarization.spans import (
    FRAMES,
    SPAN_SAMPLES,
    SPEAKERS,
    WINDOW_SAMPLES,
    WINDOW_SECONDS,
    WINDOWS,
    hop_of,
)

HOP = hop_of(0.1)
"""From one window of a span to the next, in samples."""
LONGEST_SECONDS = 3.0
"""Longer phrases are divided: sentences are not always told apart, nor are the people who say them."""
_PAUSE_SECONDS = 0.3
_MARGIN_SECONDS = 0.05  # of sound before and after a phrase: words are not timed exactly
_FRAMES_A_SECOND = FRAMES / WINDOW_SECONDS


@dataclass(frozen=True)
class Phrase:
    """A piece of a transcript."""

    words: tuple[AsrWord, ...]
    """At least one."""
    continues: bool
    """It goes on with the sentence of the phrase before, and there is no pause between them."""

    @property
    def start(self) -> float:
        """When it begins, in seconds."""
        return self.words[0].time_interval.start

    @property
    def end(self) -> float:
        """When it ends, in seconds; not before it begins."""
        return max(self.start, *(word.time_interval.end for word in self.words))


def phrases(words: Sequence[AsrWord]) -> Iterator[Phrase]:
    """Divide words at the ends of sentences, at pauses, and where a phrase would be too long."""
    ends = sentence_ends(words)
    first, continues = 0, False
    for at in range(1, len(words)):
        word, before = Span.of(words[at]), Span.of(words[at - 1])
        is_new = ends[at - 1] or word.start - before.end >= _PAUSE_SECONDS
        if is_new or word.end - words[first].time_interval.start > LONGEST_SECONDS:
            yield Phrase(tuple(words[first:at]), continues)
            first, continues = at, not is_new
    if words:
        yield Phrase(tuple(words[first:]), continues)


@dataclass
class PhrasesOfSpan:
    """Phrases that the embedding network hears at once, as speakers of the windows of a span."""

    start: int
    """First sample of the span."""
    stop: int
    """One past the last sample; at most `SPAN_SAMPLES` after `start`."""
    activity: NDArray[np.uint8] = field(
        default_factory=lambda: np.zeros((WINDOWS, FRAMES, SPEAKERS), np.uint8)
    )
    """(`WINDOWS`, `FRAMES`, `SPEAKERS`) of 0 or 1: in each window, the phrases that are its speakers."""
    places: list[tuple[int, int]] = field(default_factory=list)
    """Window and speaker of each phrase."""

    def take(self, start: int, stop: int) -> bool:
        """Take a phrase of these samples, if there is room for it."""
        if start < self.start or stop > self.start + SPAN_SAMPLES:
            return False
        last = min(WINDOWS - 1, (start - self.start) // HOP)
        for window in range(last, -1, -1):
            offset = self.start + window * HOP
            if stop > offset + WINDOW_SAMPLES and window < last:
                return False
            for speaker in range(SPEAKERS):
                if not self.activity[window, :, speaker].any():
                    self._put(window, speaker, start - offset, stop - offset)
                    self.stop = max(self.stop, stop)
                    return True
        return False

    def _put(self, window: int, speaker: int, start: int, stop: int) -> None:
        first = min(FRAMES - 1, round(start / SAMPLE_RATE * _FRAMES_A_SECOND))
        last = max(first + 1, round(stop / SAMPLE_RATE * _FRAMES_A_SECOND))
        self.activity[window, first:last, speaker] = 1
        self.places.append((window, speaker))


def lay_out(found: Iterable[Phrase], num_samples: int) -> Iterator[PhrasesOfSpan]:
    """Lay phrases out in spans, in their order.

    Args:
        found: In order of time.
        num_samples: Length of the recording.
    """
    span: PhrasesOfSpan | None = None
    for phrase in found:
        start = _sample(phrase.start - _MARGIN_SECONDS, num_samples - 1)
        stop = max(start + 1, _sample(phrase.end + _MARGIN_SECONDS, min(num_samples, start + WINDOW_SAMPLES)))
        if span is not None and span.take(start, stop):
            continue
        if span is not None:
            yield span
        # The network hears a voice against the sound around it.
        span = PhrasesOfSpan(start, max(stop, min(num_samples, start + WINDOW_SAMPLES)))
        span.take(start, stop)
    if span is not None:
        yield span


def _sample(seconds: float, most: int) -> int:
    return max(0, min(most, round(seconds * SAMPLE_RATE)))
