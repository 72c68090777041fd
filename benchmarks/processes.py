"""Processes of this machine, by Linux's `/proc`: what they have computed, and what memory they take."""

import os
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_KILOBYTE = 1024 / 1e6  # of the kernel's, in megabytes
_INTERVAL_S = 0.25
_LONGEST_INTERVAL_S = 5.0


def descendants(parent: int | None = None) -> list[int]:
    """Return the processes that a process, or this one, has started, and those that they have."""
    parent = os.getpid() if parent is None else parent
    children: list[int] = []
    for task in _PROC.glob(f"{parent}/task/*"):
        children += map(int, _read(task / "children").split())
    return children + [further for child in children for further in descendants(child)]


def cpu_seconds(processes: Iterable[int]) -> float:
    """Return how long processes have computed, with those they waited for."""
    seconds = 0.0
    for process in processes:
        # The name, in brackets, may hold anything. User and system, own and of children that have ended.
        fields = _read(_PROC / str(process) / "stat").rpartition(")")[2].split()
        seconds += sum(map(int, fields[11:15])) / _TICKS
    return seconds


def memory_mb(processes: Iterable[int]) -> float:
    """Return the memory of processes in megabytes; what several of them share counts once."""
    rollups = (_read(_PROC / str(process) / "smaps_rollup") for process in processes)
    found = [line.split()[1] for rollup in rollups for line in rollup.splitlines() if line.startswith("Pss:")]
    return sum(map(int, found)) * _KILOBYTE


def shared_memory_mb() -> float:
    """Return how much of this machine's shared memory is taken, in megabytes."""
    return shutil.disk_usage(SHARED_MEMORY).used / 1e6


def _read(path: Path) -> str:
    """Return what a file of `/proc` says, or nothing where its process has ended."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


class MemoryWatch:
    """Looks out for the most memory that processes take, from a thread of its own, as a context manager.

    What they share is told apart by walking all of their pages, which takes tens of milliseconds from those
    who work. So four times a second the kernel's own count is asked, in which each has what it shares; the
    pages only where that says that there are more than ever, and now and then.

    Args:
        processes: Whose memory it is.
    """

    def __init__(self, processes: Iterable[int]) -> None:
        self._processes = list(processes)
        self._most_pages = 0
        self.before_mb = 0.0
        """Memory at the beginning, in megabytes."""
        self.peak_mb = 0.0
        """The most so far."""

    @property
    def growth_mb(self) -> float:
        """By how much the most is above the beginning."""
        return self.peak_mb - self.before_mb

    def __enter__(self) -> "Self":
        self._look()
        self.before_mb = self.peak_mb
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._over.wait(_INTERVAL_S):
            now = time.monotonic()
            if _pages(self._processes) > self._most_pages or now > looked + _LONGEST_INTERVAL_S:
                looked = now
                self._look()

    def _look(self) -> None:
        pages = _pages(self._processes)
        self.peak_mb = max(self.peak_mb, memory_mb(self._processes))
        # Where some of them went back meanwhile, the most may not have been seen.
        self._most_pages = max(self._most_pages, min(pages, _pages(self._processes)))


def _pages(processes: Iterable[int]) -> int:
    """Return the pages of processes; shared ones count once for each of them."""
    sizes = (_read(_PROC / str(process) / "statm").split() for process in processes)
    return sum(int(size[1]) for size in sizes if size)
