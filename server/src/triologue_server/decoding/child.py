"""A process that decodes, as seen from the server."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from triologue.schema import InternalError, InvalidAudio
from triologue_server.decoding import worker

_log = logging.getLogger(__name__)

_LOOK_S = 0.1
# Whatever else is in the environment is no business of a process that strangers' files are read in.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
# Threads have heaps and stacks of their own, which would count as memory it takes.
_OWN = {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}


class Child:
    """A process that decodes one upload at a time.

    It ends with the thread that has started it.
    """

    def __init__(self, memory: int, file_size: int) -> None:
        """Start it.

        Args:
            memory: How much of it decoding may take, in bytes.
            file_size: How large the samples of an upload may become, in bytes.
        """
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.setblocking(False)
        self._is_ready = False
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    [_python(), "-I", "-m", worker.__name__, str(memory), str(file_size)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env={name: os.environ[name] for name in _INHERITED if name in os.environ} | _OWN,
                    cwd="/",
                )
            except BaseException:
                self._connection.close()
                raise

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    async def ask(
        self, upload: int, samples: int, max_seconds: float, look: Callable[[], None]
    ) -> dict[str, Any]:
        """Have an upload decoded, and return the answer.

        Args:
            upload: Descriptor of a file with it.
            samples: Descriptor of an empty file for them.
            max_seconds: Longest recording that is accepted, in seconds.
            look: Called now and then meanwhile; what it raises ends the waiting.

        Raises:
            InvalidAudio: The process has ended over it.
            InternalError: It could not even be started.
        """
        if not self._is_ready:
            if await self._message(look) != worker.READY:
                raise InternalError(f"a decoder did not start ({self._how_it_ended()})")
            self._is_ready = True
        question = json.dumps({"max_seconds": max_seconds}).encode()
        with suppress(BrokenPipeError):
            socket.send_fds(self._connection, [question], [upload, samples])
        answer = await self._message(look)
        if not answer:
            how = self._how_it_ended()
            _log.warning("a decoder has ended over an upload: %s", how)
            raise InvalidAudio(f"the upload's audio cannot be decoded (the decoder ended: {how})")
        return dict(json.loads(answer))

    async def _message(self, look: Callable[[], None]) -> bytes:
        """Return the next message of the process; nothing when it has ended."""
        loop = asyncio.get_running_loop()
        came: asyncio.Future[None] = loop.create_future()

        def note() -> None:
            if not came.done():
                came.set_result(None)

        loop.add_reader(self._connection, note)
        try:
            while not came.done():
                await asyncio.wait({came}, timeout=_LOOK_S)
                look()
        finally:
            loop.remove_reader(self._connection)
        try:
            return self._connection.recv(worker.LONGEST_MESSAGE)
        except ConnectionResetError:
            return b""

    def _how_it_ended(self) -> str:
        self.kill()
        status = self._process.returncode
        return f"status {status}" if status >= 0 else signal.Signals(-status).name

    def kill(self) -> None:
        """End the process; whoever is waiting for an answer of it is told."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process, for the one who asks it."""
        self.kill()
        self._connection.close()


def _python() -> str:
    """Return the interpreter of this environment: in a model of Triton's the program is another one."""
    for path in (Path(sys.executable), Path(sys.prefix, "bin", "python3"), Path(sys.prefix, "bin", "python")):
        if path.name.startswith("python") and os.access(path, os.X_OK):
            return str(path)
    raise FileNotFoundError(f"there is no Python in {sys.prefix}")
