"""What the drivers ask of a transport."""

from typing import Any, Protocol

from triologue.protocol.deadline import Deadline
from triologue.protocol.request import Request
from triologue.protocol.steps import Ask
from triologue.recording import Recording


class Exchange(Protocol):
    """A request and its answer."""

    def send(self) -> None:
        """Send the request.

        Raises:
            OSError: The recording cannot be read.
            TriologueError: It could not be sent.
        """
        ...

    def receive(self) -> str | bytes | None:
        """Wait for the next event; `None` when there are no more.

        Raises:
            TriologueError: The server gave an error, or none in time.
        """
        ...

    def close(self) -> None:
        """Let the exchange go; a server that still works on it is told to stop."""
        ...

    def abort(self) -> None:
        """End the exchange from another thread: what it waits for raises an error."""
        ...


class Transport(Protocol):
    """A way to reach a server. Threads may share it."""

    def exchange(self, request: Request[Any], recording: Recording, deadline: Deadline) -> Exchange:
        """Return an exchange, of which nothing is sent yet."""
        ...

    def ask(self, question: Ask) -> Any:
        """Ask the server about itself.

        Raises:
            TriologueError: It gives no answer.
        """
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class AsyncExchange(Protocol):
    """A request under way."""

    async def receive(self) -> str | bytes | None:
        """Wait for the next event, as `Exchange.receive` does."""
        ...

    async def close(self) -> None:
        """Let the exchange go; a server that still works on it is told to stop."""
        ...


class AsyncTransport(Protocol):
    """A way to reach a server, of one event loop."""

    async def open(self, request: Request[Any], recording: Recording, deadline: Deadline) -> AsyncExchange:
        """Send a request, as `Exchange.send` does."""
        ...

    async def ask(self, question: Ask) -> Any:
        """Ask the server about itself, as `Transport.ask` does."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
