"""When a call must have ended."""

import time

from triologue.schema import DeadlineExceeded


class Deadline:
    """A moment, `timeout_s` seconds from now.

    Raises:
        ValueError: The timeout is not above 0.
    """

    def __init__(self, timeout_s: float, url: str) -> None:
        if not timeout_s > 0:
            raise ValueError(f"timeout_s must be above 0, not {timeout_s}")
        self._timeout_s, self._url = timeout_s, url
        self._at = time.monotonic() + timeout_s

    @property
    def left(self) -> float:
        """Seconds until then, below 0 when it is past."""
        return self._at - time.monotonic()

    @property
    def has_passed(self) -> bool:
        """Whether it is past."""
        return self.left <= 0

    def error(self) -> DeadlineExceeded:
        """Return what to raise when it has passed."""
        return DeadlineExceeded(f"no answer from {self._url} within {self._timeout_s:g} s")

    def check(self) -> None:
        """Raise when it has passed.

        Raises:
            DeadlineExceeded: It has.
        """
        if self.has_passed:
            raise self.error()
