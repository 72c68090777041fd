"""Ports to listen on: checked, or picked, before anything is started."""

import errno
import socket
from contextlib import ExitStack

from triologue_server.settings import Settings
from triologue_server.triton.launch_error import LaunchError

PORTS = {"http_port": "HTTP", "grpc_port": "gRPC", "metrics_port": "metrics"}
"""The settings that are ports, and what each is for."""


def with_free_ports(settings: Settings) -> Settings:
    """Return the settings with a free port in place of each 0.

    Raises:
        LaunchError: A port is taken, or the host is no address of this machine.
    """
    with ExitStack() as listeners:
        # Held together, so that no two of them get the same port.
        found = {}
        for name in PORTS:
            listener = listeners.enter_context(_listen(settings.host, getattr(settings, name), name))
            found[name] = listener.getsockname()[1]
    return settings.model_copy(update=found)


def _listen(host: str, port: int, name: str) -> socket.socket:
    listener = socket.socket()
    try:
        # Connections of a server that has just stopped linger on its port, and are no hindrance.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise LaunchError(_refusal(error, host, port, name)) from error
    return listener


def _refusal(error: OSError, host: str, port: int, name: str) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; choose another with --host"
    reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
    flag = "--" + name.replace("_", "-")
    advice = f"choose another with {flag}, or 0 for any free one"
    return f"port {port} ({PORTS[name]}) on {host} {reason}; {advice}"
