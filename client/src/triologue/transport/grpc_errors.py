"""What gRPC raises, as the errors of `triologue.schema.errors`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]

from triologue.schema import (
    Cancelled,
    DeadlineExceeded,
    InternalError,
    NotFound,
    ServerOverloaded,
    ServerUnavailable,
    TriologueError,
    server_error,
)

_STATUS: dict[grpc.StatusCode, type[TriologueError]] = {
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ServerOverloaded,
    grpc.StatusCode.UNAVAILABLE: ServerUnavailable,
}

# gRPC's own failures quote status names that are codes of ours too ("last error: INTERNAL: ...").
_UNREACHABLE = ("failed to connect to all addresses", "errors resolving", "dns resolution failed")


@contextmanager
def typed_errors(url: str, timeout_s: float) -> Iterator[None]:
    """Turn exceptions of gRPC into a `TriologueError` that names the server.

    Raises:
        TriologueError: The type says what went wrong; the exception it was is its `__cause__`.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise _typed(error, url, timeout_s) from error


def _typed(error: Any, url: str, timeout_s: float) -> TriologueError:
    status, text = error.code(), error.details() or error.code().name
    if text.lower().startswith(_UNREACHABLE):
        return ServerUnavailable(f"{url} cannot be reached: {text.rpartition('last error: ')[2]}")
    if (typed := server_error(text)) is not None:
        return typed
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"no answer from {url} within {timeout_s:g} s")
    return _STATUS.get(status, InternalError)(f"{url} answered: {text}")
