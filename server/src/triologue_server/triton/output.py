"""What Triton and its models say: read all the time, understood where that matters, and passed on."""

import json
import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Literal

from triologue_server.settings import LogLevel

Level = Literal["error", "warning", "info"]

RECORDING = "recording"
"""What the conductor's lines about recordings begin with; a JSON object follows."""

_KEPT_LINES = 1_000
_SHOWN_LINES = 20

_SAYING = re.compile(r"(?P<head>(?P<severity>[EWIV])\d{4} \d\d:\d\d:\d\d\.\d+ \d+ \S+\] )(?P<text>.*)")
_LEVELS: dict[str, Level] = {"E": "error", "W": "warning"}
_LOADED = re.compile(r"successfully loaded '([^']+)'")
_FAILED = re.compile(r"failed to load '([^']+)'")
_DRAINED = "All models are stopped, unloading models"
# Said on every machine without a GPU.
_NO_GPU = re.compile(r"NVML|DCGM|CudaDriverHelper|pinned_memory_manager")

_SHOWN_SEVERITIES: dict[LogLevel, str] = {"error": "E", "warning": "EW", "info": "EWIV", "verbose": "EWIV"}


class Output:
    """The output of one Triton, read by a thread of its own.

    `forward` is called with each line that `level` lets through; below `info` that is nothing while the
    models load or unload, when Triton and the libraries of the models say much that means little.
    """

    def __init__(
        self, process: "subprocess.Popen[str]", level: LogLevel, forward: Callable[[str], None]
    ) -> None:
        self.loaded: set[str] = set()
        """Models that Triton has loaded."""
        self.failed = threading.Event()
        """Set when a model cannot be loaded."""
        self.drained = threading.Event()
        """Set when Triton is stopping, and the last request has been answered."""
        self.serving = False
        """Whether the models are neither being loaded nor unloaded; to be set by the owner."""
        self._stream = process.stdout
        self._forward = forward
        self._severities = _SHOWN_SEVERITIES[level]
        self._talkative = level in ("info", "verbose")
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._thread = threading.Thread(target=self._read, name="triton-output", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Read to the end, which comes when the last process that writes has gone."""
        self._thread.join(timeout_s)
        if self._stream and not self._thread.is_alive():
            self._stream.close()

    def errors(self) -> str:
        """Return the last lines that may tell why Triton does not run."""
        wrong = dict.fromkeys(_complaints(self._lines))
        return "\n".join(list(wrong)[-_SHOWN_LINES:])

    def _read(self) -> None:
        for line in self._stream or ():
            text = line.rstrip("\n")
            self._lines.append(text)
            self._understand(text)
            if self._talkative or (self.serving and _severity(text) in self._severities):
                # Nothing may stop the reading: a pipe that is full stops Triton.
                with suppress(OSError):
                    self._forward(text)

    def _understand(self, line: str) -> None:
        if found := _LOADED.search(line):
            self.loaded.add(found[1])
        elif _FAILED.search(line):
            self.failed.set()
        elif _DRAINED in line:
            self.drained.set()


def parse(line: str) -> tuple[Level, str]:
    """Return how grave a line of Triton and its models is, and what it says.

    What is not written as Triton writes, libraries have printed: nobody knows how grave it is.
    """
    saying = _SAYING.match(line)
    if saying is None:
        return "info", line
    level = "info" if _NO_GPU.search(line) else _LEVELS.get(saying["severity"], "info")
    return level, _unquoted(saying["text"])


def unquoted(line: str) -> str:
    """Return a line of Triton and its models with its message as it was, of as many lines as it had."""
    saying = _SAYING.match(line)
    return line if saying is None else saying["head"] + _unquoted(saying["text"])


def _severity(line: str) -> str:
    return _parts(line)[0]


def _parts(line: str) -> tuple[str, str]:
    saying = _SAYING.match(line)
    # What does not come through Triton's log was printed by a model, or by a library that is in trouble.
    return (saying["severity"], saying["text"]) if saying else ("E", line)


def _unquoted(text: str) -> str:
    """Return a message as it was; Triton writes one of many lines, or with quotes, as a quoted line."""
    if len(text) < 2 or not text[0] == text[-1] == '"':
        return text
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text[1:-1].replace(r"\n", "\n")


def _complaints(lines: deque[str]) -> Iterator[str]:
    for line in list(lines):
        severity, text = _parts(line)
        if severity in "EW" and not text.startswith(("+", "|")) and not _NO_GPU.search(line):
            yield from filter(str.strip, _unquoted(text).splitlines())
