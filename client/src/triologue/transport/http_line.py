"""A connection of httpx that another thread can break off."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx

from triologue.protocol.deadline import Deadline
from triologue.transport.address import Address

CONNECT_TIMEOUT_S = 10.0  # a host that does not take a connection by then is not there


class TimeLeft(dict[str, float]):
    """httpx's timeouts, of which each lasts until the deadline, by the time it begins."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def get(self, phase: str, default: Any = None) -> float:
        """Return the seconds that a phase may take."""
        left = max(self._deadline.left, 0.001)
        return min(left, CONNECT_TIMEOUT_S) if phase == "connect" else left


class Line:
    """An httpx client of a single connection.

    httpx does not tell which of its connections a call is on before the answer begins, and a call that is to
    end may be waiting for just that. With one connection a call there is no question.
    """

    def __init__(self, address: Address, verify: ssl.SSLContext | bool) -> None:
        self.client = httpx.Client(
            base_url=address.url,
            headers=dict(address.headers),
            verify=verify,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30.0),
        )
        self.is_broken = False
        """It was broken off, and is of no use any more."""
        self._stream: Any = None

    def extensions(self, deadline: Deadline) -> dict[str, Any]:
        """Return what httpx is to heed in a call."""
        return {"timeout": TimeLeft(deadline), "trace": self._see}

    def _see(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]
            if self.is_broken:
                self.break_off()

    def break_off(self) -> None:
        """End the call that is on the connection, from another thread."""
        self.is_broken = True
        connection: socket.socket | None = self._stream and self._stream.get_extra_info("socket")
        if connection is not None:
            # It wakes the thread that waits for an answer, which closing does not.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def tls_context(address: Address) -> ssl.SSLContext | bool:
    """Return whom to trust, and who the client is."""
    if not address.has_tls:
        return False  # It is never asked for, and takes a while to make.
    tls = address.tls
    context = httpx.create_ssl_context() if tls.ca is None else ssl.create_default_context(cafile=tls.ca)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
