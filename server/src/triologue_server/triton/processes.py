"""Processes that end together: Triton, and the stubs that run its Python models."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 65_536


def spawn_group(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start a command as the leader of a process group of its own, with its output on a pipe.

    It gets SIGTERM when the thread that calls this ends, be it by SIGKILL of the process. It may have as many
    open files as this process could have.
    """
    _allow_open_files()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def follow_parent() -> None:
        # Nothing but a system call here: another thread may hold any lock at the time of the fork.
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return subprocess.Popen(  # noqa: S603
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        preexec_fn=follow_parent,
    )


def _allow_open_files() -> None:
    """Raise what is set low by default, for programs that know none above 1023: each caller is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def kill_group(leader: "subprocess.Popen[str]") -> None:
    """Kill whatever is left of the process group that `leader` started.

    The last of them has gone when the pipe with their output ends.
    """
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
    # As the first process of a container, we have become the parent of what it has left behind.
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-leader.pid, 0)


class Stubs:
    """The processes that run the Python models of a Triton: those there are when this is made.

    Triton does not start one again that has ended, and its model goes on being ready (seen with 2.51).

    Args:
        triton: The process id of Triton.
    """

    def __init__(self, triton: int) -> None:
        self.models = dict(_stubs_of(triton))
        """Whose model each is, by process id."""

    def ended(self) -> list[str]:
        """Return the models of which a process has ended."""
        return sorted({model for pid, model in self.models.items() if _has_ended(pid)})


def _stubs_of(parent: int) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if _status(int(folder.name))[1] == str(parent):
                # The program, and then the model's `model.py`, in the folder of a version.
                program, model, *_ = (folder / "cmdline").read_text().split("\0")
                if program.endswith("triton_python_backend_stub"):
                    yield int(folder.name), Path(model).parents[1].name


def _has_ended(pid: int) -> bool:
    try:
        return _status(pid)[0] in "ZX"
    except OSError:
        return True


def _status(pid: int) -> tuple[str, str]:
    """Return the state and the parent of a process."""
    # Before it the name stands in brackets, which may hold anything.
    state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return state, parent
