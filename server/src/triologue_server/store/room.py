"""Room on the disk: asked for before anything is written, and told of when it runs out all the same."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triologue_server.store.errors import NoSpace, NotWritable

_FULL = {errno.ENOSPC, errno.EDQUOT}
# Some filesystems hold no file above 4 GB.
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def room_for(folder: Path, size: int) -> Iterator[None]:
    """Make sure that `size` bytes can be written below `folder`, which need not be there yet.

    Raises:
        NoSpace: The disk has less room than that, or has filled up meanwhile, or a quota has.
    """
    free = _free(folder)
    if size > free:
        raise NoSpace(folder, size, free)
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NoSpace(folder, size, _free(folder), os.strerror(error.errno)) from error


@contextmanager
def written_to(folder: Path) -> Iterator[None]:
    """Tell what to do when nothing can be written to `folder`.

    Raises:
        NotWritable: It is no folder, closed to this user, or on a filesystem that does not take the files.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _CLOSED:
            raise
        raise NotWritable(folder, os.strerror(error.errno)) from error


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder, which need not be there."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _free(folder: Path) -> int:
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
