"""What a measurement ran on: machine, versions, and the state of the source tree."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel

_PACKAGES = ("triologue", "faster-whisper", "ctranslate2", "pyannote.audio", "torch", "numpy", "tritonclient")


class Machine(BaseModel):
    """A machine."""

    cpu: str
    """Model of the processor."""
    cores: int
    """Cores that this process may use."""
    memory_gb: float
    """Memory, in gigabytes."""
    gpus: list[str]
    """Models of the NVIDIA GPUs."""

    @classmethod
    def this(cls) -> "Machine":
        """Return the machine this runs on."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return cls(
            cpu=_cpu(),
            cores=len(os.sched_getaffinity(0)),
            memory_gb=round(memory / 1e9, 1),
            gpus=_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines(),
        )


def versions() -> dict[str, str]:
    """Return the versions of Python and of what is measured."""
    return {"python": platform.python_version(), **versions_of(_PACKAGES)}


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages, of those that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit of the source tree, or nothing outside of git."""
    return _git("rev-parse", "HEAD")


def is_dirty() -> bool:
    """Say whether the source tree differs from its commit; result files do not count."""
    return bool(_git("status", "--porcelain", "--", ".", ":!benchmarks/results"))


def now() -> datetime:
    """Return the time, to the second."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _git(*arguments: str) -> str:
    return _output("git", "-C", str(Path(__file__).parents[1]), *arguments)


def _output(program: str, *arguments: str) -> str:
    """Return what a program prints, or nothing where there is none, or it fails."""
    path = shutil.which(program)
    if path is None:
        return ""
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else ""
