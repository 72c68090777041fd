"""What a GPU is doing, by NVIDIA's management library."""

import os
import threading
from statistics import fmean
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pynvml

if TYPE_CHECKING:
    from typing_extensions import Self

_INTERVAL_S = 0.1
# What CUDA calls its first GPU need not be the machine's.
_VISIBLE = "CUDA_VISIBLE_DEVICES"


class NoGpu(Exception):
    """There is no GPU to measure on; the message says why."""


class Gpu:
    """One GPU, by its number among those that CUDA may use.

    Raises:
        NoGpu: There is none.
    """

    def __init__(self, number: int) -> None:
        try:
            pynvml.nvmlInit()
            self._handle = _handle(number)
            self._taken = 0.0
            self._taken = self.used_mb()
        except pynvml.NVMLError as error:
            raise NoGpu(f"NVIDIA's management library finds none: {error}") from error

    def used_mb(self) -> float:
        """Return how much of its memory is taken beyond what was at first, in megabytes."""
        return float(pynvml.nvmlDeviceGetMemoryInfo(self._handle).used / 1e6) - self._taken

    def utilisation(self) -> float:
        """Return in which share of the last moments it computed something, in percent."""
        return float(pynvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)


class GpuWatch:
    """Looks at a GPU ten times a second, from a thread of its own, as a context manager.

    Args:
        gpu: Which; without one, nothing is known.
    """

    def __init__(self, gpu: Gpu | None) -> None:
        self._gpu = gpu
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._utilisations: list[float] = []
        self.most_mb: float | None = None
        """Memory at most, in megabytes."""

    @property
    def utilisation(self) -> float | None:
        """Mean utilisation in percent."""
        return fmean(self._utilisations) if self._utilisations else None

    def __enter__(self) -> "Self":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while self._gpu and not self._over.wait(_INTERVAL_S):
            self._utilisations.append(self._gpu.utilisation())
            self.most_mb = max(self.most_mb or 0.0, self._gpu.used_mb())


def _handle(number: int) -> Any:
    visible = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
    if _VISIBLE in os.environ and number >= len(visible):
        raise NoGpu(f"{_VISIBLE} names no GPU {number}")
    name = visible[number] if visible else str(number)
    if name.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)
