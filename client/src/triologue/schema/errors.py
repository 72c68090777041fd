"""The errors of the service, the same types on both sides of the wire.

    TriologueError
    ├── InvalidAudio         INVALID_AUDIO       the upload is not audio that can be decoded
    ├── InvalidOption        INVALID_OPTION      an option does not exist or is out of range
    ├── PayloadTooLarge      PAYLOAD_TOO_LARGE   more bytes or more seconds than the server takes
    ├── NotFound             NOT_FOUND           no such model on this server
    ├── AccessDenied         ACCESS_DENIED       the API key or certificate is missing or refused
    ├── ServerOverloaded     OVERLOADED          queues are full; safe to try again
    ├── ServerUnavailable    UNAVAILABLE         the server is not there or not ready; safe to try again
    ├── DeadlineExceeded     DEADLINE_EXCEEDED   no answer within the caller's deadline
    ├── Cancelled            CANCELLED           the caller went away
    └── InternalError        INTERNAL            a defect of the service

Triton's HTTP status cannot tell these apart, so a message on the wire reads ``CODE: human text``.
"""

import re
from enum import Enum

_RETRY_AFTER = re.compile(r"try again in (\d+(?:\.\d+)?) s\b")


class ErrorCode(str, Enum):
    """What kind of failure it was, as written on the wire."""

    INVALID_AUDIO = "INVALID_AUDIO"
    INVALID_OPTION = "INVALID_OPTION"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    NOT_FOUND = "NOT_FOUND"
    ACCESS_DENIED = "ACCESS_DENIED"
    OVERLOADED = "OVERLOADED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"


class TriologueError(Exception):
    """Base of every error of the service."""

    code: ErrorCode = ErrorCode.INTERNAL
    """What kind of failure it was."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        """What was wrong, in the words of the server or the client, without the code."""
        self.request_id: str | None = None
        """What the call is called in the log and the traces of the server, where one was made."""

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which the same request is worth another try, where the message names them.

        The words are "try again in 5 s"; nothing else travels.
        """
        found = _RETRY_AFTER.search(self.message)
        return float(found[1]) if found else None

    def to_wire(self) -> str:
        """Return the message as it travels: ``CODE: human text``."""
        return f"{self.code.value}: {self.message}"

    @staticmethod
    def from_wire(text: str) -> "TriologueError | None":
        """Rebuild the typed error out of ``... CODE: human text``, or return `None` when no code is in it.

        Triton puts its own words before the text of a model, so the code is looked for anywhere.
        """
        found = [(at, error) for error in _ERRORS if (at := text.find(f"{error.code.value}: ")) >= 0]
        if not found:
            return None
        at, error = min(found, key=lambda item: item[0])
        # Behind an exception's text Triton appends where in the model it was raised.
        return error(text[at + len(error.code.value) + 2 :].split("\n\nAt:")[0].strip())


class InvalidAudio(TriologueError):
    """The upload is not audio that can be decoded."""

    code = ErrorCode.INVALID_AUDIO


class InvalidOption(TriologueError):
    """An option does not exist, is out of range or contradicts another."""

    code = ErrorCode.INVALID_OPTION


class PayloadTooLarge(TriologueError):
    """The upload has more bytes, or more seconds of audio, than the server takes."""

    code = ErrorCode.PAYLOAD_TOO_LARGE


class NotFound(TriologueError):
    """The server has no model of that name."""

    code = ErrorCode.NOT_FOUND


class AccessDenied(TriologueError):
    """What stands before the server wants an API key or a certificate, or refuses the one it got."""

    code = ErrorCode.ACCESS_DENIED


class ServerOverloaded(TriologueError):
    """The server's queues are full; the same request may be sent again later."""

    code = ErrorCode.OVERLOADED


class ServerUnavailable(TriologueError):
    """The server cannot be reached or is not ready; the same request may be sent again later."""

    code = ErrorCode.UNAVAILABLE


class DeadlineExceeded(TriologueError):
    """No answer came within the caller's deadline."""

    code = ErrorCode.DEADLINE_EXCEEDED


class Cancelled(TriologueError):
    """The caller went away before the answer was ready."""

    code = ErrorCode.CANCELLED


class InternalError(TriologueError):
    """A defect of the service."""

    code = ErrorCode.INTERNAL


OF_THE_SERVER = (ServerUnavailable, ServerOverloaded, AccessDenied, NotFound)
"""Errors that every other recording would meet as well."""

_ERRORS: tuple[type[TriologueError], ...] = (
    InvalidAudio,
    InvalidOption,
    PayloadTooLarge,
    NotFound,
    AccessDenied,
    ServerOverloaded,
    ServerUnavailable,
    DeadlineExceeded,
    Cancelled,
    InternalError,
)

# Triton's status is no help here: a full queue and, in some versions, an unknown model are UNAVAILABLE to
# gRPC, an upload above --http-max-input-size is a plain 400.
_WORDS_OF_TRITON: dict[str, type[TriologueError]] = {
    "exceeds maximum queue size": ServerOverloaded,
    # It is full of the uploads of others, or too small.
    "failed to increase the shared memory pool": ServerOverloaded,
    "request timeout expired": DeadlineExceeded,
    "unknown model": NotFound,
    # A process of a model that has just ended, and a server that is stopping.
    "is not healthy": ServerUnavailable,
    "server is stopping": ServerUnavailable,
    "message larger than max": PayloadTooLarge,
    "exceeds the maximum allowed value": PayloadTooLarge,
}


def server_error(text: str) -> TriologueError | None:
    """Return the typed error that a server's message names, or `None` when its words say nothing.

    The service's own ``CODE: text`` comes first, then the words of Triton and gRPC.
    """
    if (error := TriologueError.from_wire(text)) is not None:
        return error
    lowered = text.lower()
    return next((kind(text) for words, kind in _WORDS_OF_TRITON.items() if words in lowered), None)
