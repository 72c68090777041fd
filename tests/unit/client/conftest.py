"""The client for threads, and the one for coroutines made to block: tests ask both the same things."""

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from triologue import AsyncClient, Client, DiarizationResult, TranscriptionResult

Connect = Callable[..., AbstractContextManager[Any]]


class Blocking:
    """An `AsyncClient` with methods that block."""

    def __init__(self, portal: BlockingPortal, client: AsyncClient) -> None:
        self._portal, self._client = portal, client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if inspect.iscoroutinefunction(method):
            return lambda *arguments, **keywords: self._portal.call(partial(method, *arguments, **keywords))
        return lambda *arguments, **keywords: self._iterate(method(*arguments, **keywords))

    def _iterate(self, iterator: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._portal.call(iterator.__anext__)
                except StopAsyncIteration:
                    return
        finally:
            self._portal.call(iterator.aclose)


@contextmanager
def blocking(*arguments: Any, **keywords: Any) -> Iterator[Blocking]:
    async def open_client() -> AsyncClient:
        return AsyncClient(*arguments, **keywords)

    with start_blocking_portal() as portal:
        client = portal.call(open_client)
        try:
            yield Blocking(portal, client)
        finally:
            portal.call(client.aclose)


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Return `Client`, or what makes an `AsyncClient` that looks like one."""
    return Client if request.param == "sync" else blocking


@pytest.fixture(params=["http", "grpc"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def seen_by(result: TranscriptionResult | DiarizationResult) -> dict[str, Any]:
    """Return what `echo` saw."""
    return dict(json.loads(result.warnings[0]))
