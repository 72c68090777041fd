"""HTTP without the network: what is sent to Triton's `generate_stream`, and what its answers mean.

The endpoint takes JSON, which holds no bytes, so a recording travels as base64 text. In return events come
while the work goes on, and the service notices a caller who goes away, which it does not behind `infer`.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from triologue.protocol.deadline import Deadline
from triologue.protocol.request import INPUT, OUTPUT, STREAM_MODEL, Request
from triologue.protocol.steps import Ask
from triologue.recording import Recording
from triologue.schema import (
    AccessDenied,
    Cancelled,
    DeadlineExceeded,
    InternalError,
    NotFound,
    PayloadTooLarge,
    ServerOverloaded,
    ServerUnavailable,
    TriologueError,
    server_error,
)

STREAM_PATH = f"/v2/models/{STREAM_MODEL}/generate_stream"
STREAM_TYPE = "text/event-stream"

_STATUS: dict[int, type[TriologueError]] = {
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    408: DeadlineExceeded,
    413: PayloadTooLarge,
    429: ServerOverloaded,
    499: Cancelled,
    502: ServerUnavailable,
    503: ServerUnavailable,
    504: DeadlineExceeded,
}


class Body:
    """The body of a request, made while it is sent."""

    def __init__(self, request: Request[Any], recording: Recording, deadline: Deadline) -> None:
        fields = json.dumps({**request.within(deadline), "encoding": "base64"})
        self._recording = recording
        self._head = f'{fields[:-1]}, "{INPUT}": "'.encode()
        self._tail = b'"}'

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self._head) + -(-self._recording.size // 3) * 4 + len(self._tail)

    def pieces(self) -> Iterator[bytes]:
        """Go through the body. Raises what `Recording.chunks` raises."""
        yield self._head
        for chunk in self._recording.chunks():
            yield base64.b64encode(chunk)
        yield self._tail

    @property
    def headers(self) -> dict[str, str]:
        """The headers that describe it."""
        return {
            "Content-Type": "application/json",
            "Content-Length": str(self.size),
            "Accept": STREAM_TYPE,
        }


def path_of(question: Ask) -> str:
    """Return where a question is answered."""
    return {
        "is_live": "/v2/health/live",
        "is_ready": "/v2/health/ready",
        "is_model_ready": f"/v2/models/{question.model}/ready",
        "version": "/v2",
        "settings": f"/v2/models/{question.model}/config",
    }[question.question]


def read_answer(question: Ask, url: str, status: int, body: str) -> Any:
    """Read what was answered to a question.

    Raises:
        TriologueError: It was not answered.
    """
    is_success = 200 <= status < 300
    if question.question.startswith("is_"):
        if not is_success and _STATUS.get(status) in (AccessDenied, ServerOverloaded, DeadlineExceeded):
            raise error_of(url, status, body)
        return is_success
    if not is_success:
        raise error_of(url, status, body)
    answer = _object(url, body)
    if question.question == "version":
        return str(answer.get("version"))
    settings = answer.get("parameters", {})
    return {name: str(value.get("string_value")) for name, value in settings.items()}


def read_event(url: str, status: int, data: str) -> str | None:
    """Take the event out of a message of the stream; there is none in a heartbeat.

    Raises:
        TriologueError: The message is an error, or none of Triton's.
    """
    message = _object(url, data)
    if (event := message.get(OUTPUT)) is not None:
        return str(event)
    if "error" in message or "model_name" not in message:
        raise error_of(url, status, data)
    return None


def error_of(url: str, status: int, body: str) -> TriologueError:
    """Return what an answer that is no success means."""
    text = _message_in(body)
    if (typed := server_error(text)) is not None:
        return typed
    said = f"{url} answered: HTTP {status}" + (f", {text}" if text else "")
    return _STATUS.get(status, InternalError)(said)


def not_triton(url: str, why: object) -> InternalError:
    """Return what to raise where something else than Triton answers."""
    return InternalError(f"{url} gave an answer that is not Triton's: {why}")


def _message_in(body: str) -> str:
    """Return the error in a JSON body, or in the message of a stream; nothing for the page of a proxy."""
    try:
        said = json.loads(body.strip().removeprefix("data:"))
    except ValueError:
        return ""
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, str) else ""


def _object(url: str, text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise not_triton(url, error) from error
    if not isinstance(value, dict):
        raise not_triton(url, "it is no JSON object")
    return value
