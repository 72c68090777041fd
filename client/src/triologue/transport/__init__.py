"""The ways to reach a server; the scheme of the URL picks one."""

from triologue.transport.address import Address
from triologue.transport.base import AsyncTransport, Transport

__all__ = ["connect", "connect_async"]


def connect(address: Address) -> Transport:
    """Return the transport for threads; nothing is sent yet."""
    # Each brings a large library of its own, so the other one is not imported.
    if address.is_grpc:
        from triologue.transport.grpc import GrpcTransport

        return GrpcTransport(address)
    from triologue.transport.http import HttpTransport

    return HttpTransport(address)


def connect_async(address: Address) -> AsyncTransport:
    """Return the transport for coroutines; nothing is sent yet."""
    if address.is_grpc:
        from triologue.transport.grpc_async import AsyncGrpcTransport

        return AsyncGrpcTransport(address)
    from triologue.transport.http_async import AsyncHttpTransport

    return AsyncHttpTransport(address)
