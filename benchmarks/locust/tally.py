"""What became of the requests of a process, and of all processes together."""

from collections.abc import Iterable

from pydantic import BaseModel


class Tally(BaseModel):
    """Counts of requests. Times are seconds since 1970, so that those of several machines compare."""

    sent: int = 0
    """Requests that were sent."""
    answered: int = 0
    """Those that have an answer."""
    audio_seconds: float = 0.0
    """Lengths of the recordings of those, together."""
    errors: dict[str, int] = {}
    """Those that failed, by code."""
    not_sent: int = 0
    """Arrivals that were not sent, since too many requests were under way."""
    began: float | None = None
    """When the first one was sent."""
    ended: float | None = None
    """When the last answer came."""

    @property
    def failed(self) -> int:
        """Requests that failed."""
        return sum(self.errors.values())

    @property
    def left(self) -> int:
        """Requests that have neither an answer nor an error: under way, or given up when the load ended."""
        return self.sent - self.answered - self.failed

    @property
    def seconds(self) -> float:
        """Time from the first request to the last answer."""
        return 0.0 if self.began is None or self.ended is None else max(0.0, self.ended - self.began)

    @property
    def throughput(self) -> float:
        """Seconds of audio that were answered in a second."""
        return self.audio_seconds / self.seconds if self.seconds else 0.0

    def send(self, now: float) -> None:
        """Count a request that is sent."""
        self.sent += 1
        self.began = now if self.began is None else self.began

    def answer(self, audio_seconds: float, now: float) -> None:
        """Count an answer."""
        self.answered += 1
        self.audio_seconds += audio_seconds
        self.ended = now

    def fail(self, code: str) -> None:
        """Count a failure."""
        self.errors[code] = self.errors.get(code, 0) + 1


def together(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of what several processes have counted."""
    found = Tally()
    for tally in tallies:
        found.sent += tally.sent
        found.answered += tally.answered
        found.audio_seconds += tally.audio_seconds
        found.not_sent += tally.not_sent
        for code, number in tally.errors.items():
            found.errors[code] = found.errors.get(code, 0) + number
        found.began = min((time for time in (found.began, tally.began) if time is not None), default=None)
        found.ended = max((time for time in (found.ended, tally.ended) if time is not None), default=None)
    return found
