"""Files wherever fsspec reaches: on this machine, in object stores, behind URLs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from triologue.audio import Audio, is_url
from triologue.recording import MAX_BYTES
from triologue.schema import PayloadTooLarge


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import what an extra of this package brings.

    Raises:
        ImportError: It is not installed; the message says how.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f"{error.name} is missing: pip install 'triologue[{name}]'") from None


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Make an `OSError` of whatever a file system of fsspec raises: each has errors of its own.

    Raises:
        OSError: Something went wrong; the message names the file.
    """
    try:
        yield
    except (OSError, ImportError, PayloadTooLarge):
        raise
    except Exception as error:
        raise OSError(f"{shown(url)}: {type(error).__name__}: {error}") from error


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a path or URL, and the path in it.

    Raises:
        ImportError: What reaches it is not installed.
        OSError: There is no such file system, or it cannot be reached.
    """
    with extra("batch"):
        import fsspec.core
    with reaching(url):
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
        return found


def is_path(url: str) -> bool:
    """Tell a path of this machine from a URL; `a::b` is how fsspec chains them."""
    return "://" not in url and "::" not in url


def audio_at(url: str) -> Audio:
    """Return a recording as the client takes it.

    A file of this machine is sent piece by piece, and the client fetches `http(s)` URLs. From elsewhere it is
    read into memory.

    Raises:
        ImportError: What reaches it is not installed.
        OSError: It cannot be read.
        PayloadTooLarge: It does not fit one request.
    """
    if is_url(url):
        return url
    if is_path(url):
        return Path(url)
    files, path = file_system(url)
    if is_local(files):
        return Path(path)
    with reaching(url):
        size = files.size(path)
        if size is not None and size > MAX_BYTES:
            raise PayloadTooLarge(f"{shown(url)}: {size} bytes do not fit one request")
        data: bytes = files.cat_file(path)
    return data


def is_local(files: Any) -> bool:
    """Tell the file system of this machine from others."""
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(files, LocalFileSystem)


def shown(url: str) -> str:
    """Return a path as it is, and a URL without what may be a secret, for messages."""
    if is_path(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the URL"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
