"""Errors on their way into Triton: the code it knows, and the text that carries ours."""

from __future__ import annotations

import logging

import triton_python_backend_utils as pb_utils

from triologue.schema import ErrorCode, InternalError, TriologueError
from triologue_server.memory import overloaded

_log = logging.getLogger(__name__)

# By name: Triton fills its module only after the model that imports this one.
_CODES = {
    ErrorCode.INVALID_AUDIO: "INVALID_ARG",
    ErrorCode.INVALID_OPTION: "INVALID_ARG",
    ErrorCode.PAYLOAD_TOO_LARGE: "INVALID_ARG",
    ErrorCode.NOT_FOUND: "NOT_FOUND",
    ErrorCode.ACCESS_DENIED: "INVALID_ARG",
    ErrorCode.OVERLOADED: "UNAVAILABLE",
    ErrorCode.UNAVAILABLE: "UNAVAILABLE",
    ErrorCode.DEADLINE_EXCEEDED: "UNAVAILABLE",
    ErrorCode.CANCELLED: "CANCELLED",
    ErrorCode.INTERNAL: "INTERNAL",
}


def error_response(error: BaseException) -> pb_utils.InferenceResponse:
    """Turn any exception into the response that ends its request."""
    error = typed(error)
    code = getattr(pb_utils.TritonError, _CODES[error.code])
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(error.to_wire(), code))


def typed(error: BaseException) -> TriologueError:
    """Turn any exception into one of ours; defects, and want of memory, are logged with their traceback."""
    if isinstance(error, TriologueError):
        return error
    _log.error("a request failed", exc_info=error)
    return overloaded(error) or InternalError(f"{type(error).__name__}: {error}")
