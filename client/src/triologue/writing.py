"""Files that are written as a whole, or not at all."""

import errno
import os
import secrets
import shutil
from pathlib import Path

UNWRITABLE = "UNWRITABLE"
"""The code of a result that could not be written."""

PARTS = ".triologue-*.part"
"""What files are called while they are written: hidden, so that nobody takes them."""


def part_name() -> str:
    """Return a name for a file that is being written, which nothing else has."""
    return PARTS.replace("*", secrets.token_hex(6))


def write_whole(path: Path, text: str, *, is_private: bool = False) -> None:
    """Write a file as a whole, or leave the one there is as it was.

    A file that is there keeps its mode, and a link stays one. What is no file, such as a pipe, is written to.

    Args:
        path: The file.
        text: What it will hold. It is written as UTF-8; what is none in the name of a file stays as it is.
        is_private: Whether a new file is for its owner alone to read.

    Raises:
        OSError: The file cannot be written.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        return
    if path.exists() and not os.access(path, os.W_OK):
        # A folder that can be written to would let it be replaced all the same.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    path = Path(os.path.realpath(path))
    # Beside it, since a file does not move between disks in one step.
    beside = path.with_name(part_name())
    try:
        beside.touch(0o600 if is_private else 0o666, exist_ok=False)
        beside.write_text(text, encoding="utf-8", errors="surrogateescape")
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
