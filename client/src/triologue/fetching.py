"""Recordings behind `http(s)` URLs, fetched by the client; the server never asks for anything."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import httpx

from triologue.audio import name_of
from triologue.protocol.deadline import Deadline
from triologue.recording import CHUNK_BYTES, MAX_BYTES, Held
from triologue.schema import InvalidAudio, PayloadTooLarge
from triologue.transport.http_line import TimeLeft


def fetch(url: str, deadline: Deadline) -> Held:
    """Fetch a recording. What the server is sent with every request, such as an API key, is not sent here.

    Raises:
        DeadlineExceeded: It was not there in time.
        InvalidAudio: It cannot be fetched; the message says why.
        PayloadTooLarge: It does not fit one message.
    """
    fetched = bytearray()
    with (
        _typed_errors(url, deadline),
        httpx.Client(follow_redirects=True) as client,
        client.stream("GET", url, extensions={"timeout": TimeLeft(deadline)}) as response,
    ):
        response.raise_for_status()
        for piece in response.iter_bytes(CHUNK_BYTES):
            _add(piece, fetched, url, deadline)
    return Held(memoryview(fetched))


async def fetch_async(url: str, deadline: Deadline) -> Held:
    """Fetch a recording, as `fetch` does."""
    fetched = bytearray()
    with _typed_errors(url, deadline), anyio.fail_after(deadline.left):
        async with (
            httpx.AsyncClient(follow_redirects=True) as client,
            client.stream("GET", url, extensions={"timeout": TimeLeft(deadline)}) as response,
        ):
            response.raise_for_status()
            async for piece in response.aiter_bytes(CHUNK_BYTES):
                _add(piece, fetched, url, deadline)
    return Held(memoryview(fetched))


def _add(piece: bytes, fetched: bytearray, url: str, deadline: Deadline) -> None:
    # No BytesIO: its view, in a traceback's cycle, ends Python 3.12.0 and 3.12.1 when garbage is collected.
    deadline.check()
    fetched += piece
    if len(fetched) > MAX_BYTES:
        raise PayloadTooLarge(f"{name_of(url)}: what is there does not fit one request")


@contextmanager
def _typed_errors(url: str, deadline: Deadline) -> Iterator[None]:
    try:
        yield
    except (httpx.TimeoutException, TimeoutError) as error:
        raise deadline.error() from error
    except httpx.HTTPStatusError as error:
        raise InvalidAudio(f"{name_of(url)} cannot be fetched: HTTP {error.response.status_code}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InvalidAudio(f"{name_of(url)} cannot be fetched: {error or type(error).__name__}") from error
