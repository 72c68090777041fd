"""What the exit status says."""

from enum import IntEnum

from triologue.schema import InvalidOption
from triologue.schema.errors import OF_THE_SERVER


class Status(IntEnum):
    """How a command ended."""

    WELL = 0
    FAILED = 1
    USAGE = 2
    SERVER = 3
    INTERRUPTED = 130
    UNREAD = 141


MEANINGS = {
    Status.WELL: "all is well",
    Status.FAILED: "a recording failed, or a result could not be written; the others went on",
    Status.USAGE: "wrong usage, or an option was refused",
    Status.SERVER: "the server cannot be reached, is not ready, is overloaded, or refuses the caller",
    Status.INTERRUPTED: "interrupted, by Ctrl-C",
    Status.UNREAD: "who read the output went away, as `head` does",
}


def status_of(error: Exception) -> Status:
    """Return the status that an error leads to.

    All but `FAILED` are about every recording: the next one would fare no better.
    """
    if isinstance(error, InvalidOption):
        return Status.USAGE
    if isinstance(error, OF_THE_SERVER):
        return Status.SERVER
    return Status.FAILED
