"""How the conductor learns that the server is stopping: by a file that is there from then on.

Triton itself goes on to let requests in over gRPC while it stops (seen with 2.51).
"""

import os
from contextlib import suppress
from pathlib import Path

_VARIABLE = "TRIOLOGUE_STOPPING_FILE"


def environment(runtime: Path) -> dict[str, str]:
    """Return what the conductor has to know, for a server that keeps its files in `runtime`."""
    return {_VARIABLE: str(runtime / "stopping")}


def announce(runtime: Path) -> None:
    """Say that the server is stopping."""
    with suppress(FileNotFoundError):  # nothing is left of a server that has crashed
        (runtime / "stopping").touch()


def is_announced() -> bool:
    """Whether the server that this process belongs to is stopping."""
    path = os.environ.get(_VARIABLE)
    return path is not None and Path(path).exists()
