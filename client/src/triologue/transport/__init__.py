"""The ways to reach a server; the scheme of the URL picks one."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from triologue.transport.base import Transport

__all__ = ["Transport", "connect"]


def connect(url: str, timeout_s: float, headers: Mapping[str, str] | None = None) -> Transport:
    """Return the transport for `url`; nothing is sent yet.

    `http://` and `https://` take a path, under which the server lies, and default to ports 80 and 443.
    `grpc://` defaults to Triton's port 8001, `grpcs://` to 443.

    Raises:
        ValueError: The URL has another scheme or parts that mean nothing here, or the timeout is not above 0.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https", "grpc", "grpcs"} or not parts.hostname:
        raise ValueError(f"{url!r} is no server URL such as http://127.0.0.1:8000 or grpc://127.0.0.1:8001")
    if parts.query or parts.fragment or parts.username:
        raise ValueError(f"{url!r}: a server URL has no user, query or fragment")
    if not timeout_s > 0:
        raise ValueError(f"timeout_s must be above 0, not {timeout_s}")

    # Each transport brings a large library of its own, so the other one is not imported.
    if parts.scheme in {"http", "https"}:
        from triologue.transport.http import HttpTransport

        return HttpTransport(
            url,
            parts.netloc + parts.path.rstrip("/"),
            tls=parts.scheme == "https",
            timeout_s=timeout_s,
            headers=headers or {},
        )
    from triologue.transport.grpc import GrpcTransport

    if parts.path.strip("/"):
        raise ValueError(f"{url!r}: a gRPC URL has no path")
    tls = parts.scheme == "grpcs"
    address = parts.netloc if parts.port else f"{parts.netloc.rstrip(':')}:{443 if tls else 8001}"
    return GrpcTransport(url, address, tls=tls, timeout_s=timeout_s, headers=headers or {})
