"""Files that are either complete and correct, or not there."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from triologue_server.store.errors import ChecksumMismatch

CHUNK = 1 << 20
"""Bytes read at a time."""


Progress = Callable[[str, int, int | None], None]
"""Called as a download goes on: its name, the bytes there so far, and the bytes in all (`None`: unknown)."""


def no_progress(name: str, done: int, total: int | None) -> None:
    """Report nothing."""


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the rest of an open file, piece by piece."""
    while chunk := file.read(CHUNK):
        yield chunk


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in chunks_of(file):
            digest.update(chunk)
    return digest.hexdigest()


def write_verified(target: Path, chunks: Iterable[bytes], sha256: str) -> None:
    """Write `target` all at once: nobody ever sees a part of it, or another file than `sha256` describes.

    Raises:
        ChecksumMismatch: The chunks are another file; what was at `target` before is still there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.part")
    digest = hashlib.sha256()
    try:
        with unfinished.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != sha256:
            raise ChecksumMismatch(target.name, sha256, digest.hexdigest())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
