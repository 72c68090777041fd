"""What tritonclient's HTTP client and its sockets raise, as the errors of `triologue.schema.errors`."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

from tritonclient.utils import InferenceServerException

from triologue.schema import (
    Cancelled,
    DeadlineExceeded,
    InternalError,
    NotFound,
    PayloadTooLarge,
    ServerOverloaded,
    ServerUnavailable,
    TriologueError,
    server_error,
)

_STATUS: dict[str, type[TriologueError]] = {
    "404": NotFound,
    "408": DeadlineExceeded,
    "413": PayloadTooLarge,
    "429": ServerOverloaded,
    "499": Cancelled,
    "502": ServerUnavailable,
    "503": ServerUnavailable,
    "504": DeadlineExceeded,
}


@contextmanager
def typed_errors(url: str, timeout_s: float) -> Iterator[None]:
    """Turn exceptions of tritonclient, sockets and HTTP into a `TriologueError` that names the server.

    Raises:
        TriologueError: The type says what went wrong; the exception it was is its `__cause__`.
    """
    try:
        yield
    except InferenceServerException as error:
        raise _from_triton(error, url) from error
    except TimeoutError as error:
        # With an errno it was the operating system that gave up connecting, before the caller's deadline.
        if error.errno is not None:
            raise ServerUnavailable(f"{url} cannot be reached: {error.strerror}") from error
        raise DeadlineExceeded(f"no answer from {url} within {timeout_s:g} s") from error
    except OSError as error:
        raise ServerUnavailable(f"{url} cannot be reached: {error.strerror or error}") from error
    except HTTPException as error:
        raise ServerUnavailable(f"{url} broke off the connection: {error}") from error
    except (ValueError, LookupError) as error:
        raise InternalError(f"{url} gave an answer that is not Triton's: {error}") from error


def _from_triton(error: InferenceServerException, url: str) -> TriologueError:
    text, status = str(error.message()), error.status()
    if (typed := server_error(text)) is not None:
        return typed
    if status is None:
        return InternalError(text)
    # tritonclient keeps a body it could not read as JSON, the page of a proxy say, in the details.
    text = f"HTTP {status}" if error.debug_details() else f"HTTP {status}, {text}"
    return _STATUS.get(status, InternalError)(f"{url} answered: {text}")
