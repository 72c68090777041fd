"""The machine: what it computes with, what memory it has left, and what its processes take of it."""

import os
import platform
import shutil
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_CPUS = Path("/sys/devices/system/cpu")
_CGROUP = Path("/sys/fs/cgroup")
_MB = 1_000_000
_STUB = "triton_python_backend_stub"  # the process of one instance


@dataclass(frozen=True)
class Machine:
    """What there is to compute with."""

    cpu: str
    """Model of the processor."""
    threads: int
    """Threads that it runs at once, and this process may use."""
    cores: int
    """Physical cores among them."""
    memory_mb: float
    """Memory that is free, in megabytes."""
    gpus: tuple[str, ...]
    """Models of the NVIDIA GPUs."""
    gpu_memory_mb: float
    """Free memory of the GPU that has the least of it, in megabytes; 0 without GPUs."""
    cuda_gpus: int
    """GPUs that CUDA computes with."""

    @classmethod
    def this(cls) -> "Machine":
        """Return the machine that this runs on."""
        from ctranslate2 import get_cuda_device_count  # takes a while to load

        usable = os.sched_getaffinity(0)
        free = [total - used for used, total in _gpu_memory()]
        return cls(
            cpu=_cpu(),
            threads=len(usable),
            cores=_physical(usable),
            memory_mb=_free_mb(),
            gpus=tuple(_smi("name")),
            gpu_memory_mb=min(free, default=0.0),
            cuda_gpus=int(get_cuda_device_count()),
        )

    def __str__(self) -> str:
        processor = f"{self.cpu}, {self.threads} threads of {self.cores} cores"
        return ", ".join((processor, f"{self.memory_mb / 1000:.1f} GB free", *self.gpus))


def stubs() -> set[int]:
    """Return the processes of instances that this process has started, through others as well."""
    return {process for process in _descendants(os.getpid()) if _STUB in _read(process, "cmdline")}


def peak_mb(processes: Iterable[int]) -> float:
    """Return the most memory that each of the processes has taken so far, added up, in megabytes.

    What they share counts for each of them, so that the sum is rather too high than too low.
    """
    return sum(_kilobytes(_read(process, "status"), "VmHWM:") for process in processes) * 1024 / _MB


def gpu_used_mb() -> float:
    """Return the memory that is taken of the GPU of which the most is, in megabytes; 0 without GPUs."""
    return max((used for used, _ in _gpu_memory()), default=0.0)


def _descendants(parent: int) -> list[int]:
    children: list[int] = []
    for task in _PROC.glob(f"{parent}/task/*"):
        children += map(int, _read(parent, f"task/{task.name}/children").split())
    return children + [further for child in children for further in _descendants(child)]


def _read(process: int, name: str) -> str:
    """Return what a file of `/proc` says, or nothing where its process or thread has ended."""
    try:
        return (_PROC / str(process) / name).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _kilobytes(text: str, name: str) -> int:
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(name)), 0)


def _free_mb() -> float:
    """Return the memory that is free to this process, which a container may bound."""
    machine = _kilobytes((_PROC / "meminfo").read_text(encoding="utf-8"), "MemAvailable:") * 1024
    try:
        bound, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no container, or one that bounds nothing ("max")
        return machine / _MB
    return min(machine, bound - used) / _MB


def _physical(usable: Collection[int]) -> int:
    """Count the cores that processors belong to; several threads of one core are processors each."""
    cores = set()
    for number in usable:
        siblings = _CPUS / f"cpu{number}" / "topology" / "thread_siblings_list"
        cores.add(siblings.read_text() if siblings.is_file() else str(number))
    return len(cores)


def _cpu() -> str:
    for line in (_PROC / "cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _gpu_memory() -> list[tuple[float, float]]:
    """Return the memory of each GPU that is taken, and all of it, in megabytes."""
    rows = [row.split(",") for row in _smi("memory.used,memory.total")]
    return [(float(used) * 1.048576, float(total) * 1.048576) for used, total in rows]


def _smi(query: str) -> list[str]:
    """Return what NVIDIA's tool says of each GPU; nothing where it is missing or fails."""
    path = shutil.which("nvidia-smi")
    if path is None:
        return []
    command = [path, f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip().splitlines() if done.returncode == 0 else []
