"""Ports that nobody listens on."""

import socket


def find_free_port() -> int:
    """Return one; somebody else might take it, though none that asks in the same way."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])
