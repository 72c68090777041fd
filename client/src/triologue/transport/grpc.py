"""gRPC through tritonclient."""

from collections.abc import Mapping
from typing import Any

from tritonclient.grpc import InferenceServerClient, InferInput

from triologue.protocol import INPUT, Request
from triologue.schema import NotFound, ServerUnavailable
from triologue.transport.errors import typed_errors
from triologue.transport.tensors import audio_tensor, output_bytes

_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # While a channel waits to connect again every call fails at once, and by default it comes to wait two
    # minutes: a server that has just started would look down for as long.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class GrpcTransport:
    """One channel, which threads may share."""

    def __init__(
        self, url: str, address: str, *, tls: bool, timeout_s: float, headers: Mapping[str, str]
    ) -> None:
        self._url, self._timeout_s = url, timeout_s
        # gRPC refuses metadata keys with capitals.
        self._headers = {name.lower(): value for name, value in headers.items()}
        self._client = InferenceServerClient(address, ssl=tls, channel_args=_CHANNEL)

    def infer(self, request: Request[Any]) -> bytes:
        """Send a request and return the bytes of its output tensor."""
        tensor = InferInput(INPUT, [1], "BYTES")
        tensor.set_data_from_numpy(audio_tensor(request))
        with typed_errors(self._url, self._timeout_s):
            reply = self._client.infer(
                request.model,
                [tensor],
                parameters=dict(request.parameters),
                headers=self._headers,
                client_timeout=self._timeout_s,
            )
            return output_bytes(reply, request.model)

    def is_live(self, timeout_s: float) -> bool:
        """Say whether the server runs."""
        with typed_errors(self._url, timeout_s):
            return bool(self._client.is_server_live(headers=self._headers, client_timeout=timeout_s))

    def is_ready(self, timeout_s: float) -> bool:
        """Say whether the server has loaded all of its models."""
        with typed_errors(self._url, timeout_s):
            return bool(self._client.is_server_ready(headers=self._headers, client_timeout=timeout_s))

    def is_model_ready(self, model: str, timeout_s: float) -> bool:
        """Say whether a model takes requests; one that does not exist does not."""
        try:
            with typed_errors(self._url, timeout_s):
                return bool(
                    self._client.is_model_ready(model, headers=self._headers, client_timeout=timeout_s)
                )
        except (NotFound, ServerUnavailable):
            return False

    def server_version(self, timeout_s: float) -> str:
        """Return the version of Triton."""
        with typed_errors(self._url, timeout_s):
            metadata = self._client.get_server_metadata(headers=self._headers, client_timeout=timeout_s)
            return str(metadata.version)

    def close(self) -> None:
        """Close the channel."""
        self._client.close()
