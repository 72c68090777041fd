"""Standard output, which holds results and nothing else."""

import errno
import os
import sys
from contextlib import suppress
from typing import TextIO


def prepare_stdout() -> None:
    """See to it that any text can be written.

    A file or a pipe gets UTF-8 whatever the language of the system, as files of results do; a terminal gets
    what it can show.
    """
    stream = sys.stdout
    if stream.isatty():
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    else:
        # Names of files may hold bytes that are no UTF-8.
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]


def write_stdout(text: str) -> None:
    """Write text that is there for its reader at once.

    Raises:
        OSError: It cannot be written, as when the reader has gone away.
    """
    stream = sys.stdout
    stream.flush()
    left = memoryview(text.encode(stream.encoding, stream.errors or "strict"))
    # Where Python does not buffer, as PYTHONUNBUFFERED has it, a part may be written and nobody is told.
    while left:
        written: int | None = stream.buffer.write(left)
        if written is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        left = left[written:]
    stream.buffer.flush()


def drop_what_is_left() -> None:
    """Forget what could not be written: at its end the program would fail over it again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _drop(stream)


def _drop(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
