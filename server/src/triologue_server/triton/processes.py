"""Processes that end together: Triton, and the stubs that run its Python models."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

_PR_SET_PDEATHSIG = 1


def spawn_group(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start a command as the leader of a process group of its own, with its output on a pipe.

    It gets SIGTERM when the thread that calls this ends, be it by SIGKILL of the process.
    """
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


def kill_group(leader: "subprocess.Popen[str]") -> None:
    """Kill whatever is left of the process group that `leader` started.

    The last of them has gone when the pipe with their output ends.
    """
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
