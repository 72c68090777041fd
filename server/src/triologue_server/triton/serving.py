"""Serve until interrupted, or while a command runs, and tell how it goes."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

from rich.console import Console

from triologue_server.settings import Settings
from triologue_server.triton.log import Log
from triologue_server.triton.server import TritonServer
from triologue_server.triton.supervisor import Supervisor


def serve(settings: Settings, command: list[str], console: Console, log: Log) -> int:
    """Serve until a signal comes, or until `command`, if any, has ended; return the exit status.

    The first SIGINT or SIGTERM lets the requests that have come in be answered, the second does not.

    Args:
        settings: How the server is set up.
        command: Keeps the server up while it runs.
        console: Where it is shown that the models load, if it is a terminal.
        log: Told how it goes.

    Raises:
        LaunchError: Triton cannot be started, or crashes again and again.
    """
    with _interrupts() as signals:
        try:
            return _serve(settings, command, console, log)
        except KeyboardInterrupt:
            return 128 + signals[-1] if len(signals) > 1 else 0


def _serve(settings: Settings, command: list[str], console: Console, log: Log) -> int:
    started = time.monotonic()

    def elapsed() -> str:
        return f"{time.monotonic() - started:.1f} s"

    supervisor = Supervisor(settings, log)
    log.tell("starting Triton")
    with console.status("the models load") if console.is_terminal else nullcontext():
        supervisor.start(lambda name: log.tell(f"  {name} ready, {elapsed()}"))
    try:
        log.tell(f"ready in {elapsed()}")
        return _run(command, supervisor) if command else _wait(supervisor, log)
    finally:
        supervisor.stop()


def _wait(supervisor: Supervisor, log: Log) -> int:
    server = supervisor.server
    log.tell(f"  HTTP     {server.http_url}")
    log.tell(f"  gRPC     {server.grpc_url}")
    log.tell(f"  metrics  {server.metrics_url}")
    log.tell(f"try: triologue transcribe RECORDING --url {server.http_url}")
    try:
        supervisor.watch(lambda: False)
    except KeyboardInterrupt:
        log.tell("stopping: what has come in is answered first; once more to stop at once")
    return 0


def _run(command: list[str], supervisor: Supervisor) -> int:
    process = subprocess.Popen(command, env=os.environ | _addresses(supervisor.server))  # noqa: S603
    try:
        supervisor.watch(lambda: process.poll() is not None)
        status = process.wait()
    except KeyboardInterrupt as interrupt:
        # Ctrl-C has reached it already: it belongs to the terminal's process group, as we do.
        if interrupt.args != (signal.SIGINT,):
            process.terminate()
        status = process.wait()
    finally:
        process.kill()
    return status if status >= 0 else 128 - status


def _addresses(server: TritonServer) -> dict[str, str]:
    return {"TRIOLOGUE_URL": server.http_url, "TRIOLOGUE_GRPC_URL": server.grpc_url}


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt(number) for the first two of SIGINT and SIGTERM; yield those that have come."""
    came: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        came.append(number)
        # After the second, what is left to be done is short, and must be done.
        if len(came) <= 2:
            raise KeyboardInterrupt(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
