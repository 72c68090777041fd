"""gRPC without the network: what is sent to Triton, and what its answers mean."""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2

from triologue.protocol.deadline import Deadline
from triologue.protocol.request import INPUT, OUTPUT, STREAM_MODEL, Request
from triologue.protocol.steps import Ask
from triologue.recording import Recording
from triologue.schema import (
    AccessDenied,
    Cancelled,
    InternalError,
    NotFound,
    ServerOverloaded,
    ServerUnavailable,
    TriologueError,
    server_error,
)
from triologue.transport.address import Address

CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # While a channel waits to connect again every call fails at once, and by default it comes to wait two
    # minutes: a server that has just started would look down for as long.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
STREAM_METHOD = "/inference.GRPCInferenceService/ModelStreamInfer"
read_reply: Callable[[bytes], Any] = service_pb2.ModelStreamInferResponse.FromString

_PARAMETER_FIELDS = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
_LENGTH = struct.Struct("<I")  # in front of each element of a BYTES tensor
# The field `raw_input_contents`, as it begins on the wire: its number, and that its length follows.
_RAW_INPUT = bytes([service_pb2.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER << 3 | 2])

_STATUS: dict[grpc.StatusCode, type[TriologueError]] = {
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.PERMISSION_DENIED: AccessDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ServerOverloaded,
    grpc.StatusCode.UNAUTHENTICATED: AccessDenied,
    grpc.StatusCode.UNAVAILABLE: ServerUnavailable,
}

# gRPC's own failures quote status names that are codes of ours too ("last error: INTERNAL: ...").
_UNREACHABLE = ("failed to connect to all addresses", "errors resolving", "dns resolution failed")


def credentials(address: Address) -> Any:
    """Return whom to trust, and who the client is."""
    tls = address.tls
    return grpc.ssl_channel_credentials(
        *(None if path is None else path.read_bytes() for path in (tls.ca, tls.key, tls.certificate))
    )


def metadata(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return headers as gRPC takes them, which refuses capitals."""
    return [(name.lower(), value) for name, value in headers.items()]


def write_request(request: Request[Any], recording: Recording, deadline: Deadline) -> bytes:
    """Return a serialized `ModelInferRequest`.

    A recording is put behind the other fields by hand: protobuf would copy it into the message and out again.
    The parts of a message may stand behind one another, in any order (Protocol Buffers, Encoding).

    Raises:
        InvalidAudio: The file changed meanwhile.
        OSError: The file cannot be read.
    """
    message = service_pb2.ModelInferRequest(
        model_name=STREAM_MODEL, inputs=[{"name": INPUT, "datatype": "BYTES", "shape": [1]}]
    )
    for name, value in request.within(deadline).items():
        setattr(message.parameters[name], _PARAMETER_FIELDS[type(value)], value)
    head = message.SerializeToString() + _RAW_INPUT + _varint(_LENGTH.size + recording.size)
    return b"".join((head, _LENGTH.pack(recording.size), *recording.chunks()))


def read_event(url: str, reply: Any) -> bytes | None:
    """Take the event out of a `ModelStreamInferResponse`; there is none in a heartbeat and in the last one.

    Raises:
        TriologueError: It is an error.
    """
    if text := reply.error_message:
        raise server_error(text) or InternalError(f"{url} answered: {text}")
    for output, content in zip(
        reply.infer_response.outputs, reply.infer_response.raw_output_contents, strict=False
    ):
        if output.name == OUTPUT:
            return bytes(content[_LENGTH.size :])
    return None


class Method(NamedTuple):
    """A unary method of Triton's."""

    name: str
    message: Any
    read: Callable[[Any], Any]


def method_of(question: Ask) -> Method:
    """Return the method that answers a question."""
    match question.question:
        case "is_live":
            return Method("ServerLive", service_pb2.ServerLiveRequest(), lambda reply: bool(reply.live))
        case "is_ready":
            return Method("ServerReady", service_pb2.ServerReadyRequest(), lambda reply: bool(reply.ready))
        case "is_model_ready":
            message = service_pb2.ModelReadyRequest(name=question.model)
            return Method("ModelReady", message, lambda reply: bool(reply.ready))
        case "version":
            message = service_pb2.ServerMetadataRequest()
            return Method("ServerMetadata", message, lambda reply: str(reply.version))
        case "settings":
            message = service_pb2.ModelConfigRequest(name=question.model)
            return Method("ModelConfig", message, _settings)


def _settings(reply: Any) -> dict[str, str]:
    return {name: str(value.string_value) for name, value in reply.config.parameters.items()}


@contextmanager
def typed_errors(url: str, deadline: Deadline) -> Iterator[None]:
    """Turn exceptions of gRPC into a `TriologueError` that names the server.

    Raises:
        TriologueError: The type says what went wrong; the exception it was is its `__cause__`.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise _typed(error, url, deadline) from error


def _typed(error: Any, url: str, deadline: Deadline) -> TriologueError:
    status, text = error.code(), error.details() or error.code().name
    if text.lower().startswith(_UNREACHABLE):
        return ServerUnavailable(f"{url} cannot be reached: {text.rpartition('last error: ')[2]}")
    if (typed := server_error(text)) is not None:
        return typed
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return deadline.error()
    return _STATUS.get(status, InternalError)(f"{url} answered: {text}")


def _varint(number: int) -> bytes:
    """Write a number as protobuf does: seven bits a byte, the lowest first."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
