"""What the client asks of a transport."""

from typing import Protocol

from triologue.protocol import AnyResult, Request


class Transport(Protocol):
    """One way to reach a Triton server.

    Every method but `close` raises a `TriologueError` when the server gives no answer.
    """

    def infer(self, request: Request[AnyResult]) -> AnyResult:
        """Send a request and return its answer."""
        ...

    def is_live(self, timeout_s: float) -> bool:
        """Say whether the server runs."""
        ...

    def is_ready(self, timeout_s: float) -> bool:
        """Say whether the server has loaded all of its models."""
        ...

    def is_model_ready(self, model: str, timeout_s: float) -> bool:
        """Say whether a model takes requests; one that does not exist does not."""
        ...

    def server_version(self, timeout_s: float) -> str:
        """Return the version of Triton."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...
