"""The segments of shared memory through which Triton and the models speak."""

import struct
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import SHARED_MEMORY

_BLOCK = 512  # bytes, in which the size of a file on disk is told
# Of Boost.Interprocess, whose allocator (`rbtree_best_fit`) tells at the head of a segment what is allocated
# and, behind that, how much there is.
_HEAD, _HEAD_AT = struct.Struct("<QQ"), 40


class Segments(NamedTuple):
    """All segments of a server."""

    number: int
    """How many there are."""
    written_mb: float
    """What has been written in them, in megabytes. It never goes back: a segment stays as large as it was."""
    allocated_mb: float
    """What in them is in use, in megabytes."""


def segments(prefix: str) -> Segments:
    """Look at the segments whose names begin so."""
    number, written, allocated = 0, 0, 0
    for file in SHARED_MEMORY.glob(f"{prefix}*"):
        with suppress(FileNotFoundError):
            written += file.stat().st_blocks * _BLOCK
            allocated += _allocated(file)
            number += 1
    return Segments(number, written / 1e6, allocated / 1e6)


def _allocated(segment: Path) -> int:
    with segment.open("rb") as file:
        head = file.read(_HEAD_AT + _HEAD.size)
    if len(head) < _HEAD_AT + _HEAD.size:  # it is being made
        return 0
    allocated, size = _HEAD.unpack_from(head, _HEAD_AT)
    # It may be growing just now.
    return allocated if allocated <= size else 0
