"""Looks at a load as a whole while it goes on: how much audio is answered, and what Triton's models count."""

import logging
import time

import gevent
import httpx
from locust.env import Environment
from tritonclient.utils import InferenceServerException

from benchmarks.locust import triton
from benchmarks.locust.load import LOAD
from benchmarks.locust.measurement import Window
from benchmarks.locust.metrics import THROUGHPUT, record

WINDOW_S = 10.0
"""After so many seconds the throughput is looked at again."""

_logger = logging.getLogger(__name__)


class Watch:
    """Of one load, in the process that has the report of all: the master, or the only one.

    Args:
        environment: Locust's.
    """

    def __init__(self, environment: Environment) -> None:
        self.windows: list[Window] = []
        """What was answered so far."""
        self._environment = environment
        self._before = self._counters()
        self._after = self._before
        self._greenlet = gevent.spawn(self._look)

    @property
    def models(self) -> dict[str, triton.ModelUse]:
        """How the models were used until the watch ended."""
        return triton.used(self._before, self._after)

    def end(self) -> None:
        """Stop looking at the throughput; requests may still be under way."""
        self._greenlet.kill()

    def count(self) -> None:
        """Ask what the models have counted; once no requests are under way."""
        self._after = self._counters()

    def _look(self) -> None:
        audio, since = 0.0, time.monotonic()
        while True:
            gevent.sleep(WINDOW_S)
            total, now = LOAD.total.audio_seconds, time.monotonic()
            window = Window(seconds=now - since, audio_seconds=total - audio)
            record(self._environment, THROUGHPUT, "all", window.audio_seconds / window.seconds)
            self.windows.append(window)
            audio, since = total, now

    def _counters(self) -> dict[str, triton.Counters]:
        host = self._environment.host
        if not host:
            return {}
        try:
            return triton.read(host, LOAD.api_key)
        except (httpx.HTTPError, InferenceServerException, ValueError) as error:
            _logger.warning("no statistics of Triton: %s", error)
            return {}
