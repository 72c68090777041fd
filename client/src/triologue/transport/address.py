"""Where a server is, and how it is to be spoken to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

DEFAULT_GRPC_PORT, DEFAULT_TLS_PORT = 8001, 443


@dataclass(frozen=True)
class Tls:
    """Certificates, each a path of a PEM file."""

    ca: Path | None = None
    """Whom to trust with the server's certificate, in the place of the usual authorities."""
    certificate: Path | None = None
    """The client's own certificate, for servers that ask for one."""
    key: Path | None = None
    """The private key of that certificate."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a client's certificate and its key go together")


@dataclass(frozen=True)
class Address:
    """A server, and what every request to it carries."""

    url: str
    """`http://`, `https://`, `grpc://` or `grpcs://`, as it was given."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """HTTP headers, or gRPC metadata."""
    tls: Tls = Tls()

    def __post_init__(self) -> None:
        parts = self._parts
        if parts.scheme not in {"http", "https", "grpc", "grpcs"} or not parts.hostname:
            raise ValueError(
                f"{self.url!r} is no server URL such as http://127.0.0.1:8000 or grpc://127.0.0.1:8001"
            )
        if parts.query or parts.fragment or parts.username:
            raise ValueError(f"{self.url!r}: a server URL has no user, query or fragment")
        if self.is_grpc and parts.path.strip("/"):
            raise ValueError(f"{self.url!r}: a gRPC URL has no path")
        if self.tls != Tls() and not self.has_tls:
            raise ValueError(f"{self.url!r}: certificates are for https:// and grpcs://")

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def is_grpc(self) -> bool:
        """Whether it speaks gRPC."""
        return self._parts.scheme in {"grpc", "grpcs"}

    @property
    def has_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self._parts.scheme in {"https", "grpcs"}

    @property
    def target(self) -> str:
        """Host and port, as gRPC takes them."""
        parts = self._parts
        if parts.port:
            return parts.netloc
        return f"{parts.netloc.rstrip(':')}:{DEFAULT_TLS_PORT if self.has_tls else DEFAULT_GRPC_PORT}"


def with_key(headers: Mapping[str, str], api_key: str | None) -> dict[str, str]:
    """Return headers with the one of an API key."""
    return {**headers, **({} if api_key is None else {"Authorization": f"Bearer {api_key}"})}
