"""Stretches of time that can be compared."""

from typing import NamedTuple

from triologue.schema.asr import AsrSegment, AsrWord, SpeakerDiarizationSegment


class Span(NamedTuple):
    """A time interval that never ends before it starts, sorted by start; in seconds."""

    start: float
    end: float

    @classmethod
    def of(cls, item: AsrWord | AsrSegment | SpeakerDiarizationSegment) -> "Span":
        """Return the time of a word, a segment or a turn."""
        # The schema lets an interval end before it starts; such a word must not be lost.
        return cls(item.time_interval.start, max(item.time_interval.start, item.time_interval.end))

    def overlap(self, other: "Span") -> float:
        """Return the seconds that both share."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def gap(self, other: "Span") -> float:
        """Return the seconds between the two."""
        return max(0.0, self.start - other.end, other.start - self.end)

    def distance(self, other: "Span") -> float:
        """Return how far starts and ends lie apart."""
        return abs(self.start - other.start) + abs(self.end - other.end)
