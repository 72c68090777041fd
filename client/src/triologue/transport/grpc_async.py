"""gRPC for coroutines."""

from __future__ import annotations

from typing import Any

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from anyio.to_thread import run_sync
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


class AsyncGrpcTransport:
    """One channel, of one event loop."""

    def __init__(self, address: Address) -> None:
        self._url, self._metadata = address.url, metadata(address.headers)
        self._channel = (
            grpc.aio.secure_channel(address.target, credentials(address), CHANNEL)
            if address.has_tls
            else grpc.aio.insecure_channel(address.target, CHANNEL)
        )
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        # The message is serialized already.
        self._stream = self._channel.stream_stream(STREAM_METHOD, None, read_reply)

    async def open(
        self, request: Request[Any], recording: Recording, deadline: Deadline
    ) -> AsyncGrpcExchange:
        """Send a request. A file is read in a thread, so that nothing else waits for the disk."""
        message = await run_sync(write_request, request, recording, deadline)
        deadline.check()
        with typed_errors(self._url, deadline):
            call = self._stream(iter([message]), timeout=deadline.left, metadata=self._metadata)
        return AsyncGrpcExchange(self._url, call, deadline)

    async def ask(self, question: Ask) -> Any:
        """Ask the server about itself."""
        method, deadline = method_of(question), Deadline(question.timeout_s, self._url)
        try:
            with typed_errors(self._url, deadline):
                ask = getattr(self._stub, method.name)
                reply = await ask(method.message, timeout=question.timeout_s, metadata=self._metadata)
        except (NotFound, ServerUnavailable):
            if question.question == "is_model_ready":
                return False
            raise
        return method.read(reply)

    async def close(self) -> None:
        """Close the channel; calls under way end with `Cancelled`."""
        await self._channel.close()


class AsyncGrpcExchange:
    """One call, read event by event."""

    def __init__(self, url: str, call: Any, deadline: Deadline) -> None:
        self._url, self._call, self._deadline = url, call, deadline

    async def receive(self) -> bytes | None:
        """Wait for the next event; `None` when there are no more."""
        with typed_errors(self._url, self._deadline):
            while (reply := await self._call.read()) is not grpc.aio.EOF:
                if (event := read_event(self._url, reply)) is not None:
                    return event
        return None

    async def close(self) -> None:
        """Cancel the call, unless it is at its end."""
        self._call.cancel()
