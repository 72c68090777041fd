"""The command line, run in process and as a program."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.unit.conftest import ANSWERS
from typer.testing import CliRunner, Result

from triologue.cli import app

Serve = Callable[..., AbstractContextManager[str]]
PROGRAM = str(Path(sys.executable).with_name("triologue"))
LINE = "[00:00:00.000 → 00:00:01.000] Hello.\n"
"""What the small servers hear in every recording."""
SUMMARY = "language en (0.98) · audio 30.0 s · processed in 5.0 s · RTFx 6.0"


def run(*arguments: str | Path, url: str | None = None, stdin: bytes | None = None, **env: str) -> Result:
    # Wide and without colour, so that messages are found on one line.
    usual = {"COLUMNS": "200", "NO_COLOR": "1", "TERMINAL_WIDTH": "200", "TRIOLOGUE_API_KEY": None}
    runner = CliRunner(env={"TRIOLOGUE_URL": url, **usual, **env})
    return runner.invoke(app, [str(argument) for argument in arguments], input=stdin)


def start(*arguments: str | Path | bytes, url: str, **settings: Any) -> subprocess.Popen[bytes]:
    """Start the program. Its environment is that of the tests, with `env` on top."""
    env = os.environ | {"TRIOLOGUE_URL": url, "TERM": "xterm"} | settings.pop("env", {})
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings
    return subprocess.Popen([PROGRAM, *arguments], env=env, **settings)


def plain(*call: Any) -> bytes:
    """Answer without warnings."""
    return json.dumps(ANSWERS[call[0]]).encode()


def refusing(audio: bytes, error: str, status: int = 400) -> Callable[..., Any]:
    """Return an answer that is an error for one recording, and none for the others."""

    def answer(pipeline: str, parameters: dict[str, Any], sent: bytes, headers: dict[str, str]) -> Any:
        if sent == audio:
            return status, json.dumps({"error": error})
        return plain(pipeline)

    return answer


def seen(result: Result) -> list[dict[str, Any]]:
    """Return what the servers saw, which `echo` puts into warnings."""
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    return [json.loads(line[line.index("{") :]) for line in warnings]


def logged(stderr: str | bytes) -> list[dict[str, Any]]:
    """Return what was logged by --json: every line of standard error has to be an object."""
    return [json.loads(line) for line in stderr.splitlines()]


def echo_seen(result: str) -> dict[str, Any]:
    """Return what the servers saw of the call whose JSON result it is, which `echo` puts into a warning."""
    seen: dict[str, Any] = json.loads(json.loads(result)["warnings"][0])
    return seen
