"""Keeps a Triton at work: it is started again when it, or the process of a model, ends by itself."""

import time
from collections import deque
from collections.abc import Callable

from triologue_server.settings import Settings
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.log import Log
from triologue_server.triton.server import TritonServer

_POLL_S = 0.2

_CRASHES, _WITHIN_S = 5, 600.0
"""More crashes than this in that time are no accident."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


class Supervisor:
    """A Triton that is started again, on the same ports, when something of it ends.

    All of it is started anew, whichever process has ended: Triton cannot replace one, nor tell those who wait
    for it. Their connections break off at once, and they may send the same request again.

    Args:
        settings: How the server is set up.
        log: Told what happens.
    """

    def __init__(self, settings: Settings, log: Log) -> None:
        self.server = TritonServer(settings)
        """The server of the moment."""
        self._log = log
        self._crashes: deque[float] = deque(maxlen=_CRASHES + 1)

    def start(self, on_ready: Callable[[str], None]) -> None:
        """Start Triton, and tell `on_ready` the name of each model that is.

        Raises:
            LaunchError: It cannot be started.
        """
        server = TritonServer(self.server.settings, on_output=self._log.output, on_ready=on_ready)
        server.start()
        self.server = server

    def watch(self, has_ended: Callable[[], bool]) -> None:
        """Keep the server at work until `has_ended`.

        Raises:
            LaunchError: It crashes again and again.
        """
        while not has_ended():
            if trouble := self.server.trouble():
                self._restart(trouble)
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Answer what has come in, and end."""
        self.server.stop()

    def _restart(self, trouble: str) -> None:
        self.server.kill()
        trouble = "\n".join(filter(None, (trouble, self.server.errors())))
        while trouble:
            self._log.tell(f"error: {trouble}")
            time.sleep(self._pause(trouble))
            started = time.monotonic()
            try:
                self.start(lambda _: None)
            except LaunchError as error:
                trouble = str(error)
            else:
                self._log.tell(f"started again in {time.monotonic() - started:.1f} s")
                trouble = ""

    def _pause(self, trouble: str) -> float:
        """Return how long to wait before the next start, in seconds; longer each time."""
        now = time.monotonic()
        self._crashes.append(now)
        recent = sum(crash > now - _WITHIN_S for crash in self._crashes)
        if recent > _CRASHES:
            raise LaunchError(f"{recent} crashes within {_WITHIN_S / 60:g} minutes; the last: {trouble}")
        return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (recent - 1))
