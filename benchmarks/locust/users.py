"""Locust's users: callers of the Python client, by HTTP or gRPC."""

import logging
import time
from typing import ClassVar
from urllib.parse import urlsplit

import gevent
from gevent.pool import Group
from locust import User, task
from locust.env import Environment
from locust.exception import StopTest, StopUser

from benchmarks.locust.arrivals import Arrivals
from benchmarks.locust.calls import ask
from benchmarks.locust.clips import Clip
from benchmarks.locust.load import LOAD
from benchmarks.locust.metrics import record_answer, record_failure
from benchmarks.locust.mix import Kind
from benchmarks.locust.options import Workload
from triologue import Client, TriologueError

NOT_SENT = "NOT_SENT"
"""Code of an arrival that was not sent, since too many requests were under way."""

_AFTER_FAILURE_S = 1.0  # in which a closed user does not send again: a server that refuses would be flooded

_logger = logging.getLogger(__name__)


class Caller(User):
    """Sends recordings, and waits for answers or does not, as the workload says."""

    abstract = True
    protocol: ClassVar[str]
    """`http` or `grpc`, as in the server's URL, which may have an `s` more."""

    @classmethod
    def url(cls, host: str | None) -> str | None:
        """Return the URL of the server, if one of the two that are known is of this protocol."""
        urls = (host, LOAD.options.other_host)
        return next(
            (url for url in urls if url and urlsplit(url).scheme.removesuffix("s") == cls.protocol), None
        )

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._under_way = Group()
        self._arrivals: Arrivals | None = None
        self._client: Client | None = None

    def on_start(self) -> None:
        """Make a client of its own: callers do not share connections."""
        options, url = LOAD.options, self.url(self.host)
        if url is None:
            raise StopTest(f"{type(self).__name__} needs a host of {self.protocol}://, not {self.host}")
        self._client = Client(
            url, timeout_s=options.request_timeout, retries=options.retries, api_key=LOAD.api_key
        )
        if options.workload is Workload.OPEN:
            self._arrivals = Arrivals(options.rate, LOAD.chance)

    def on_stop(self) -> None:
        """End what is still under way, here and at the server."""
        self._under_way.kill()
        if self._client is not None:
            self._client.close()

    @task
    def call(self) -> None:
        """Send the next request."""
        if self._arrivals is None:
            if not self._ask(*LOAD.choose()):
                LOAD.is_ending.wait(_AFTER_FAILURE_S)
        elif not LOAD.is_ending.wait(self._arrivals.pause(time.monotonic())):
            self._arrive(*LOAD.choose())
        if LOAD.is_ending.is_set():
            self._under_way.join()
            raise StopUser

    def _arrive(self, kind: Kind, clip: Clip) -> None:
        if len(self._under_way) >= LOAD.options.outstanding:
            LOAD.tally.not_sent += 1
            record_failure(self.environment, self.protocol, f"{kind.value} {clip.label}", NOT_SENT)
        else:
            self._under_way.add(gevent.spawn(self._ask, kind, clip))

    def _ask(self, kind: Kind, clip: Clip) -> bool:
        """Send a request, wait for its answer and record it; return whether there is one."""
        assert self._client is not None  # noqa: S101
        name = f"{kind.value} {clip.label}"
        LOAD.tally.send(time.time())
        try:
            answer = ask(self._client, kind, clip, LOAD.options.language or None)
        except TriologueError as error:
            if error.code.value not in LOAD.tally.errors:
                _logger.warning("%s: %s: %s", name, error.code.value, error.message)
            LOAD.tally.fail(error.code.value)
            record_failure(self.environment, self.protocol, name, error.code.value)
            return False
        LOAD.tally.answer(clip.seconds, time.time())
        record_answer(self.environment, self.protocol, name, clip.seconds, answer)
        return True


class HttpCaller(Caller):
    """Calls by HTTP."""

    protocol = "http"


class GrpcCaller(Caller):
    """Calls by gRPC."""

    protocol = "grpc"
