"""What the launcher writes to standard error: lines for people, or a JSON object a line for machines."""

import json
import sys
from datetime import datetime, timezone
from typing import Any, Protocol

from rich.console import Console

from triologue_server.settings import LogFormat
from triologue_server.triton.output import RECORDING, Level, parse, unquoted


class Log(Protocol):
    """Where lines go."""

    def tell(self, text: str) -> None:
        """Write what the launcher has to say."""
        ...

    def output(self, line: str) -> None:
        """Write a line of Triton and its models."""
        ...


class TextLog:
    """Lines for people."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def tell(self, text: str) -> None:
        """Write what the launcher has to say."""
        self._console.print(text)

    def output(self, line: str) -> None:
        """Write a line of Triton and its models, and more than one where its message has more."""
        self._console.print(unquoted(line))


class JsonLog:
    """An object a line: `time`, `level`, `message`, and of a recording that has ended what is known of it."""

    def tell(self, text: str) -> None:
        """Write what the launcher has to say."""
        for level in ("error", "warning"):
            if text.startswith(f"{level}: "):
                _write(level, text.removeprefix(f"{level}: "))
                return
        _write("info", text.strip())

    def output(self, line: str) -> None:
        """Write a line of Triton and its models."""
        level, message = parse(line)
        kind, _, fields = message.partition(" ")
        if kind == RECORDING and fields.startswith("{"):
            _write(level, kind, json.loads(fields))
        else:
            _write(level, message)


def log_for(log_format: LogFormat, console: Console) -> Log:
    """Return a log of that format; a console stands for people."""
    return JsonLog() if log_format == "json" else TextLog(console)


def _write(level: Level, message: str, fields: dict[str, Any] | None = None) -> None:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    line = {"time": now, "level": level, "message": message, **(fields or {})}
    sys.stderr.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stderr.flush()
