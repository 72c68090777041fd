"""Excerpts of a recording: regions side by side, and the way back to the recording's time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest

import numpy as np
from numpy.typing import NDArray

from triologue.schema import AsrSegment, AsrWord, TimeInterval
from triologue_server.audio import SAMPLE_RATE
from triologue_server.conductor.speech import Region
from triologue_server.transcription.window import FRAMES_A_SECOND, WINDOW_SAMPLES

_FRAME_SAMPLES = SAMPLE_RATE // FRAMES_A_SECOND


@dataclass(frozen=True)
class Excerpt:
    """Regions of a recording, one after the other, without what lies between."""

    regions: tuple[Region, ...]
    """In order of time."""

    def cut(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the excerpt's samples out of the recording's."""
        return np.concatenate([samples[region.start : region.stop] for region in self.regions])

    def sample_at(self, sample: int) -> int:
        """Return the sample of the recording up to which one has heard at a sample of the excerpt."""
        region, offset = self._region_at((sample - 1) / SAMPLE_RATE)
        return min(region.stop, sample + round(offset * SAMPLE_RATE))

    def restore(self, segments: Iterable[AsrSegment]) -> list[AsrSegment]:
        """Move segments from the excerpt's time to the recording's."""
        return [self._restore_segment(segment) for segment in segments]

    def _restore_segment(self, segment: AsrSegment) -> AsrSegment:
        words = [self._restore_word(word) for word in segment.words]
        if words:
            interval = TimeInterval(start=words[0].time_interval.start, end=words[-1].time_interval.end)
        else:
            start = self._restore_interval(segment.time_interval, segment.time_interval.start).start
            # An end on the border of two regions belongs to the first.
            end = self._restore_interval(segment.time_interval, segment.time_interval.end - 0.001).end
            interval = TimeInterval(start=start, end=max(start, end))
        return segment.model_copy(update={"words": words, "time_interval": interval})

    def _restore_word(self, word: AsrWord) -> AsrWord:
        interval = word.time_interval
        middle = (interval.start + interval.end) / 2
        return word.model_copy(update={"time_interval": self._restore_interval(interval, middle)})

    def _restore_interval(self, interval: TimeInterval, anchor: float) -> TimeInterval:
        """Move an interval into the region that `anchor`, a time in the excerpt, lies in."""
        region, offset = self._region_at(anchor)
        first, last = region.start / SAMPLE_RATE, region.stop / SAMPLE_RATE
        start = min(max(interval.start + offset, first), last)
        end = min(max(interval.end + offset, start), last)
        return TimeInterval(start=round(start, 3), end=round(end, 3))

    def _region_at(self, time: float) -> tuple[Region, float]:
        """Return the region heard at a time in the excerpt, and what to add for the recording's time."""
        ends = list(accumulate(region.samples for region in self.regions))
        found = next((at for at, end in enumerate(ends) if time * SAMPLE_RATE < end), len(ends) - 1)
        region = self.regions[found]
        return region, (region.stop - ends[found]) / SAMPLE_RATE


class WindowPacker:
    """Packs regions into Whisper windows as full as they go."""

    def __init__(self) -> None:
        self._regions: list[Region] = []
        self._samples = 0

    def add(self, regions: Iterable[Region]) -> Iterator[Excerpt]:
        """Take regions in order of time, none longer than a window; yield the windows that are full."""
        for region in regions:
            if self._samples + region.samples > WINDOW_SAMPLES:
                yield from self.finish()
            self._regions.append(region)
            self._samples += region.samples

    def finish(self) -> Iterator[Excerpt]:
        """Yield what is left, as one window; less than a frame of features is none."""
        if self._samples >= _FRAME_SAMPLES:
            yield Excerpt(tuple(self._regions))
        self._regions, self._samples = [], 0


def even_regions(num_samples: int, clips: Sequence[float] = ()) -> Iterator[Region]:
    """Cut a recording into regions of one window each, speech or not.

    Args:
        num_samples: Length of the recording.
        clips: Starts and ends in seconds of the only stretches to cut; the last may lack its end.
    """
    bounds = [min(num_samples, round(time * SAMPLE_RATE)) for time in clips] or [0]
    for first, last in zip_longest(bounds[::2], bounds[1::2], fillvalue=num_samples):
        for start in range(first, last, WINDOW_SAMPLES):
            yield Region(start, min(last, start + WINDOW_SAMPLES))
