"""The log of the launcher, for machines."""

import json
import logging
from datetime import datetime, timezone
from typing import Any

import pytest

from triologue_server.triton.log import JsonLog
from triologue_server.triton.observing import begin
from triologue_server.triton.output import unquoted


@pytest.fixture
def last(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return the only line that was written, without its time."""

    def last() -> dict[str, Any]:
        (line,) = capsys.readouterr().err.splitlines()
        found: dict[str, Any] = json.loads(line)
        written = datetime.fromisoformat(found.pop("time"))
        assert abs((datetime.now(timezone.utc) - written).total_seconds()) < 60
        return found

    return last


@pytest.mark.parametrize(
    ("text", "level", "message"),
    [
        ("starting Triton", "info", "starting Triton"),
        ("  whisper ready, 2.0 s", "info", "whisper ready, 2.0 s"),
        ("warning: /dev/shm is small", "warning", "/dev/shm is small"),
        ("error: Triton ended with status -9:\nand why", "error", "Triton ended with status -9:\nand why"),
    ],
)
def test_what_the_launcher_says(last: Any, text: str, level: str, message: str) -> None:
    JsonLog().tell(text)
    assert last() == {"level": level, "message": message}


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ('I1126 08:52:54.149444 23256 server.cc:1] "Starting"', "info", "Starting"),
        ("W1126 08:52:54.149444 23256 server.cc:1] no quotes", "warning", "no quotes"),
        (r'E1126 08:52:54.149444 1 pb_stub.cc:930] "one\nand \"two\""', "error", 'one\nand "two"'),
        (r'E1126 08:52:54.149444 1 pb_stub.cc:930] "no \escape\n"', "error", "no \\escape\n"),
        ('E1126 08:52:54.149444 1 pb_stub.cc:930] "', "error", '"'),
        ("a library has printed this", "info", "a library has printed this"),
        (
            'E1126 08:52:54.149444 1 cuda.cc:1] "CudaDriverHelper is missing"',
            "info",
            "CudaDriverHelper is missing",
        ),
        ('I1126 08:52:54.149444 23256 a.py:1] "recording of somebody"', "info", "recording of somebody"),
    ],
)
def test_what_triton_says(last: Any, line: str, level: str, message: str) -> None:
    JsonLog().output(line)
    assert last() == {"level": level, "message": message}


def test_a_recording_is_told_in_fields(last: Any) -> None:
    fields = {"request_id": 'a "b"\n', "code": "OK", "stages": {"decoding": 0.1}}
    quoted = json.dumps(f"recording {json.dumps(fields)}")
    JsonLog().output(f"I1126 08:52:54.149444 23256 entry.py:99] {quoted}")
    assert last() == {"level": "info", "message": "recording", **fields}


def test_what_a_model_logs_is_one_line_with_all_of_it(last: Any, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger()
    handlers = list(logger.handlers)
    try:
        begin("whisper")
        try:
            raise ValueError('of "two"\nlines')
        except ValueError as error:
            logging.getLogger("triologue_server").error("a request failed", exc_info=error)
        logging.getLogger("triologue_server").warning("beware")
    finally:
        for handler in set(logger.handlers) - set(handlers):
            logger.removeHandler(handler)
    failed, warned = capsys.readouterr().err.splitlines()
    JsonLog().output(warned)
    assert last() == {"level": "warning", "message": "beware"}
    JsonLog().output(failed)
    found = last()
    assert found["level"] == "error"
    assert found["message"].startswith("a request failed\nTraceback (most recent call last):\n")
    assert found["message"].endswith('ValueError: of "two"\nlines')
    assert unquoted(failed).splitlines()[1] == "Traceback (most recent call last):"
