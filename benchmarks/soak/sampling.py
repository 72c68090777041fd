"""What a server takes up, looked at again and again: of all its processes, by Linux's `/proc`."""

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import descendants, memory_mb
from benchmarks.soak.segments import Segments, segments
from triologue_server.decoding import worker
from triologue_server.triton.metrics import IN_FLIGHT

if TYPE_CHECKING:
    from typing_extensions import Self

PENDING = "nv_inference_pending_request_count"
"""Gauge of Triton: the requests that wait for an instance of a model."""

INTERVAL_S = 1.0

_PROC = Path("/proc")
_TIMEOUT_S = 5.0
_POLL_S = 0.2
_REST_S = 5.0  # in which threads end, connections close, and memory that is not needed any more goes back


@dataclass(frozen=True)
class Sample:
    """A server at some moment."""

    at: float
    """Seconds since the watch began."""
    processes: frozenset[int]
    """Ids of those that are to last: Triton, and those of the models."""
    decoders: int
    """Further ones, which come and go: they decode uploads."""
    memory_mb: float
    """Memory of all processes, what they share counted once; in megabytes."""
    files: int
    """Open files, sockets and pipes of those that are to last, without those to decoders, and these:"""
    abandoned: int
    """Sockets whose connection has ended, for the kernel too, and which are open all the same."""
    threads: int
    """Threads of those that are to last."""
    shared: Segments
    """Shared memory."""
    in_flight: int | None
    """Recordings that are worked on or wait, as the server tells; `None` where it does not."""
    pending: int | None
    """Requests that wait in Triton, of all models; likewise."""

    @property
    def unfinished(self) -> int | None:
        """Recordings and requests together."""
        if self.in_flight is None or self.pending is None:
            return None
        return self.in_flight + self.pending


class Watch:
    """Looks at the only server that this process has started, from a thread of its own, as a context manager.

    Args:
        metrics_url: Where the server tells its metrics.
        shared_prefix: What the names of its segments of shared memory begin with.
        interval_s: Pause between two looks, in seconds.
    """

    def __init__(self, metrics_url: str, shared_prefix: str, interval_s: float = INTERVAL_S) -> None:
        self.samples: list[Sample] = []
        """What was seen, in order of time."""
        self._url, self._prefix, self._interval_s = metrics_url, shared_prefix, interval_s
        self._client = httpx.Client(timeout=_TIMEOUT_S, trust_env=False)
        self._began = time.monotonic()
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Self":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._client.close()

    @property
    def now(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self._began

    def look(self) -> Sample:
        """Look once more, at once."""
        with self._turn:
            everybody = descendants()
            decoders = [process for process in everybody if _is_decoder(process)]
            processes = set(everybody).difference(decoders)
            in_flight, pending = self._gauges()
            abandoned = abandoned_sockets(processes)
            found = Sample(
                at=self.now,
                processes=frozenset(processes),
                decoders=len(decoders),
                memory_mb=memory_mb(everybody),
                files=_entries(processes, "fd") - len(decoders) - abandoned,
                abandoned=abandoned,
                threads=_entries(processes, "task"),
                shared=segments(self._prefix),
                in_flight=in_flight,
                pending=pending,
            )
            self.samples.append(found)
        return found

    def rest(self, most_s: float) -> Sample:
        """Wait until the server has nothing to do, for `most_s` seconds at most, let it rest, and look."""
        until = time.monotonic() + most_s
        while sum(map(_number, self._gauges())) and time.monotonic() < until:
            time.sleep(_POLL_S)
        time.sleep(_REST_S)
        return self.look()

    def _watch(self) -> None:
        while not self._over.wait(self._interval_s):
            self.look()

    def _gauges(self) -> tuple[int | None, int | None]:
        try:
            answer = self._client.get(self._url)
        except httpx.TransportError:
            return None, None
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(answer.text):
            for metric in family.samples:
                found[metric.name] = found.get(metric.name, 0.0) + metric.value
        return _whole(found.get(IN_FLIGHT)), _whole(found.get(PENDING))


def _is_decoder(process: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return worker.__name__.encode() in (_PROC / str(process) / "cmdline").read_bytes()
    return False


def _number(gauge: int | None) -> int:
    return 1 if gauge is None else gauge


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _entries(processes: Iterable[int], folder: str) -> int:
    """Count what is in a folder of each process; nothing where it has ended."""
    count = 0
    for process in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            count += sum(1 for _ in (_PROC / str(process) / folder).iterdir())
    return count


def abandoned_sockets(processes: Iterable[int]) -> int:
    """Count the sockets of processes that the kernel lists neither as a connection nor as waiting for one."""
    sockets = {file[8:-1] for process in processes for file in _files(process) if file.startswith("socket:")}
    for table, column in (("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9), ("unix", 6)):
        lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        sockets.difference_update(line.split()[column] for line in lines)
    return len(sockets)


def _files(process: int) -> list[str]:
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for link in (_PROC / str(process) / "fd").iterdir():
            with suppress(FileNotFoundError):
                found.append(str(link.readlink()))
    return found
