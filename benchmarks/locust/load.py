"""What one process of Locust knows of the load. There is one, as there is one set of Locust's events."""

import os
import random
from pathlib import Path

from gevent.event import Event

from benchmarks.locust.clips import Clip, Clips
from benchmarks.locust.mix import Kind, pick
from benchmarks.locust.options import Options
from benchmarks.locust.tally import Tally, together

API_KEY = "TRIOLOGUE_API_KEY"
"""Environment variable of every process with the key that servers behind a proxy may ask for."""


class Load:
    """The load, from its start to its end."""

    def __init__(self) -> None:
        self.options = Options()
        """How requests are sent."""
        self.tally = Tally()
        """Of the requests of this process."""
        self.of_workers: dict[str, Tally] = {}
        """Of those of the workers, as each has told last; only the master is told."""
        self.is_ending = Event()
        """Set when no further request is to be sent."""
        self.chance = random.Random()  # noqa: S311
        """Chooses what is sent, differently in each process."""
        self._clips: Clips | None = None

    @property
    def total(self) -> Tally:
        """Of the requests of all processes."""
        return together([self.tally, *self.of_workers.values()])

    @property
    def api_key(self) -> str | None:
        """The key, if there is one."""
        return os.environ.get(API_KEY)

    def begin(self, options: Options, *, calls: bool) -> None:
        """Begin a load anew.

        Args:
            options: How requests are sent.
            calls: Whether this process has users; else it needs no recordings.
        """
        self.options = options
        self.tally = Tally()
        self.of_workers.clear()
        self.is_ending.clear()
        if calls:
            self._clips = (
                Clips.of_folder(Path(options.data), self.chance)
                if options.data
                else Clips.cut(options.mix, options.file_formats, options.clips, self.chance)
            )

    def choose(self) -> tuple[Kind, Clip]:
        """Return what to ask for next."""
        if self._clips is None:
            raise RuntimeError("the load has not begun")
        return pick(self.options.kinds, self.chance), self._clips.choose()


LOAD = Load()
"""That of this process."""
