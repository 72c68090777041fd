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

from benchmarks.processes import SHARED_MEMORY, descendants, memory_mb
from triologue_server.decoding import worker
from triologue_server.triton.metrics import IN_FLIGHT

if TYPE_CHECKING:
    from typing_extensions import Self

PENDING = "nv_inference_pending_request_count"
"""Gauge of Triton: the requests that wait for an instance of a model."""

INTERVAL_S = 1.0

_PROC = Path("/proc")
_BLOCK = 512  # bytes, in which the size of a file on disk is told
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
    """Open files, sockets and pipes of those that are to last, without their connections to decoders."""
    threads: int
    """Threads of those that are to last."""
    segments: int
    """Segments of shared memory."""
    shared_mb: float
    """What is written in them, in megabytes."""
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
            segments = _sizes(SHARED_MEMORY.glob(f"{self._prefix}*"))
            found = Sample(
                at=self.now,
                processes=frozenset(processes),
                decoders=len(decoders),
                memory_mb=memory_mb(everybody),
                files=_entries(processes, "fd") - len(decoders),
                threads=_entries(processes, "task"),
                segments=len(segments),
                shared_mb=sum(segments) / 1e6,
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


def _sizes(files: Iterable[Path]) -> list[int]:
    """Return how many bytes each file takes, of those that are still there."""
    found = []
    for file in files:
        with suppress(FileNotFoundError):
            found.append(file.stat().st_blocks * _BLOCK)
    return found


def _entries(processes: Iterable[int], folder: str) -> int:
    """Count what is in a folder of each process; nothing where it has ended."""
    count = 0
    for process in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            count += sum(1 for _ in (_PROC / str(process) / folder).iterdir())
    return count
