"""gRPC for threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2_grpc

from triologue.protocol.deadline import Deadline
from triologue.protocol.request import Request
from triologue.protocol.steps import Ask
from triologue.recording import Recording
from triologue.schema import NotFound, ServerUnavailable
from triologue.transport.address import Address
from triologue.transport.grpc_messages import (
    CHANNEL,
    STREAM_METHOD,
    credentials,
    metadata,
    method_of,
    read_event,
    read_reply,
    typed_errors,
    write_request,
)


class GrpcTransport:
    """One channel, which threads may share."""

    def __init__(self, address: Address) -> None:
        self._url, self._metadata = address.url, metadata(address.headers)
        self._channel = (
            grpc.secure_channel(address.target, credentials(address), CHANNEL)
            if address.has_tls
            else grpc.insecure_channel(address.target, CHANNEL)
        )
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        # The message is serialized already.
        self._stream = self._channel.stream_stream(STREAM_METHOD, None, read_reply)

    def exchange(self, request: Request[Any], recording: Recording, deadline: Deadline) -> GrpcExchange:
        """Return an exchange, of which nothing is sent yet."""

        def call() -> Any:
            message = write_request(request, recording, deadline)
            deadline.check()
            return self._stream(iter([message]), timeout=deadline.left, metadata=self._metadata)

        return GrpcExchange(self._url, call, deadline)

    def ask(self, question: Ask) -> Any:
        """Ask the server about itself."""
        method, deadline = method_of(question), Deadline(question.timeout_s, self._url)
        try:
            with typed_errors(self._url, deadline):
                ask = getattr(self._stub, method.name)
                reply = ask(method.message, timeout=question.timeout_s, metadata=self._metadata)
        except (NotFound, ServerUnavailable):
            if question.question == "is_model_ready":
                return False
            raise
        return method.read(reply)

    def close(self) -> None:
        """Close the channel; calls under way end with `Cancelled`."""
        self._channel.close()


class GrpcExchange:
    """One call, read event by event."""

    def __init__(self, url: str, begin: Callable[[], Any], deadline: Deadline) -> None:
        self._url, self._begin, self._deadline = url, begin, deadline
        self._call: Any = None

    def send(self) -> None:
        """Begin the call, which sends the request."""
        with typed_errors(self._url, self._deadline):
            self._call = self._begin()

    def receive(self) -> bytes | None:
        """Wait for the next event; `None` when there are no more."""
        with typed_errors(self._url, self._deadline):
            for reply in self._call:
                if (event := read_event(self._url, reply)) is not None:
                    return event
        return None

    def close(self) -> None:
        """Cancel the call, unless it is at its end."""
        self.abort()

    def abort(self) -> None:
        """End the exchange from another thread."""
        if self._call is not None:
            self._call.cancel()
