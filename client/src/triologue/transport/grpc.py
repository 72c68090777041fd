"""gRPC, with the messages and the stub that tritonclient brings."""

import struct
from collections.abc import Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2, service_pb2_grpc

from triologue.protocol import EVENT, INPUT, STREAM_MODEL, AnyResult, Request
from triologue.schema import InternalError, NotFound, ServerUnavailable, server_error
from triologue.transport.grpc_errors import typed_errors

_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # While a channel waits to connect again every call fails at once, and by default it comes to wait two
    # minutes: a server that has just started would look down for as long.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_PARAMETER_FIELDS = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
_LENGTH = struct.Struct("<I")  # in front of each element of a BYTES tensor


class GrpcTransport:
    """One channel, which threads may share.

    Recordings go to the stream model: a caller who goes away is noticed there, and the unary models, which
    pass a recording on to it, would hold a copy of their own.
    """

    def __init__(
        self, url: str, address: str, *, tls: bool, timeout_s: float, headers: Mapping[str, str]
    ) -> None:
        self._url, self._timeout_s = url, timeout_s
        # gRPC refuses metadata keys with capitals.
        self._metadata = [(name.lower(), value) for name, value in headers.items()]
        self._channel = (
            grpc.secure_channel(address, grpc.ssl_channel_credentials(), _CHANNEL)
            if tls
            else grpc.insecure_channel(address, _CHANNEL)
        )
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def infer(self, request: Request[AnyResult]) -> AnyResult:
        """Send a request and return its answer."""
        with typed_errors(self._url, self._timeout_s):
            replies = list(
                self._stub.ModelStreamInfer(
                    iter([_message(request)]), timeout=self._timeout_s, metadata=self._metadata
                )
            )
        for reply in replies:
            if text := reply.error_message:
                raise server_error(text) or InternalError(f"{self._url} answered: {text}")
            for event in reply.infer_response.raw_output_contents:
                return request.read_event(event[_LENGTH.size :])
        raise InternalError(f"the model {STREAM_MODEL!r} ended without the output {EVENT}")

    def is_live(self, timeout_s: float) -> bool:
        """Say whether the server runs."""
        return bool(self._ask("ServerLive", timeout_s).live)

    def is_ready(self, timeout_s: float) -> bool:
        """Say whether the server has loaded all of its models."""
        return bool(self._ask("ServerReady", timeout_s).ready)

    def is_model_ready(self, model: str, timeout_s: float) -> bool:
        """Say whether a model takes requests; one that does not exist does not."""
        try:
            return bool(self._ask("ModelReady", timeout_s, name=model).ready)
        except (NotFound, ServerUnavailable):
            return False

    def server_version(self, timeout_s: float) -> str:
        """Return the version of Triton."""
        return str(self._ask("ServerMetadata", timeout_s).version)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _ask(self, method: str, timeout_s: float, **fields: str) -> Any:
        message = getattr(service_pb2, f"{method}Request")(**fields)
        with typed_errors(self._url, timeout_s):
            return getattr(self._stub, method)(message, timeout=timeout_s, metadata=self._metadata)


def _message(request: Request[Any]) -> Any:
    message = service_pb2.ModelInferRequest(
        model_name=STREAM_MODEL,
        inputs=[{"name": INPUT, "datatype": "BYTES", "shape": [1]}],
        raw_input_contents=[_LENGTH.pack(len(request.audio)) + request.audio],
    )
    for name, value in request.stream_parameters.items():
        setattr(message.parameters[name], _PARAMETER_FIELDS[type(value)], value)
    return message
