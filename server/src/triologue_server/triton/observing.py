"""What the process of each model sets up to be seen from outside: its log, and its traces."""

import json
import logging
import time

import triologue_server
from triologue_server import tracing

_LETTERS = {logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "E"}


def begin(model: str) -> None:
    """Log as Triton does, and trace, where there is somebody to trace for.

    Args:
        model: The Triton model that the process runs.
    """
    handler = (
        logging.StreamHandler()
    )  # not Triton's own logger, which needs the shared memory that may be full
    handler.setFormatter(_AsTriton())
    logging.getLogger().addHandler(handler)
    logging.getLogger(triologue_server.__name__).setLevel(logging.INFO)
    tracing.begin(model)


class _AsTriton(logging.Formatter):
    """A line of Triton's log: one, whatever the message and the traceback hold."""

    def format(self, record: logging.LogRecord) -> str:
        letter = _LETTERS.get(record.levelno, "I")
        moment = time.strftime("%m%d %H:%M:%S", time.gmtime(record.created))
        micros = round(record.created % 1 * 1e6) % 1_000_000
        message = json.dumps(super().format(record), ensure_ascii=False)
        return f"{letter}{moment}.{micros:06} {record.process} {record.filename}:{record.lineno}] {message}"
