"""What httpx raises, as the errors of `triologue.schema.errors`."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import httpx_sse

from triologue.protocol.deadline import Deadline
from triologue.schema import ServerUnavailable
from triologue.transport.http_messages import not_triton


@contextmanager
def typed_errors(url: str, deadline: Deadline) -> Iterator[None]:
    """Turn exceptions of httpx into a `TriologueError` that names the server.

    Raises:
        TriologueError: The type says what went wrong; the exception it was is its `__cause__`.
    """
    try:
        yield
    except httpx_sse.SSEError as error:
        raise not_triton(url, error) from error
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        if deadline.has_passed:
            raise deadline.error() from error
        raise ServerUnavailable(f"{url} cannot be reached: {_reason(error)}") from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise deadline.error() from error
    except httpx.TransportError as error:
        if deadline.has_passed:
            raise deadline.error() from error
        raise ServerUnavailable(f"{url} broke off the connection: {_reason(error)}") from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise not_triton(url, error) from error


def _reason(error: BaseException) -> str:
    """Return the innermost words that there are, such as "Connection refused"."""
    said = str(error) or type(error).__name__
    while (inner := error.__cause__ or error.__context__) is not None:
        if isinstance(inner, OSError):
            said = _words(inner) or said
        error = inner
    return said


def _words(error: OSError) -> str | None:
    if isinstance(error, ssl.SSLError):
        return error.reason or error.strerror
    # asyncio has words of its own for it, that name the address once more.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
