"""A model under load: so many callers at once, each of whom calls again as soon as he is answered."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from triologue_server.tuning.calls import Call
from triologue_server.tuning.search import Infeasible

_CALL_S = 600.0  # whoever waits for longer will not be answered


@dataclass(frozen=True)
class Load:
    """How calls were answered."""

    latencies_s: tuple[float, ...]
    """How long each call took, in seconds."""
    wall_s: float
    """How long all of them took together, in seconds."""

    @property
    def calls_a_second(self) -> float:
        """Calls that were answered in a second."""
        return len(self.latencies_s) / self.wall_s

    @property
    def p95_s(self) -> float:
        """How long a call took, in seconds; 95 % of them took no longer."""
        ordered = sorted(self.latencies_s)
        return ordered[math.ceil(0.95 * len(ordered)) - 1]


def put_under_load(
    address: str, model: str, calls: Sequence[Call], *, warm_up: int, callers: int, seconds: float
) -> Load:
    """Call a model again and again.

    Args:
        address: Host and port of the server's gRPC.
        model: Its name.
        calls: What to call it with, in turn.
        warm_up: Calls that are made first, all at once, and do not count.
        callers: Calls under way at once.
        seconds: How long calls go on being made. Those under way then are waited for, and count too: they
            are as many full batches as the callers at the beginning were.

    Raises:
        Infeasible: A call failed.
    """
    return asyncio.run(_put_under_load(address, model, calls, warm_up, callers, seconds))


async def _put_under_load(
    address: str, model: str, calls: Sequence[Call], warm_up: int, callers: int, seconds: float
) -> Load:
    latencies: list[float] = []
    numbers = count()

    async def call(client: Any) -> None:
        inputs = calls[next(numbers) % len(calls)]
        await client.infer(model, inputs, client_timeout=_CALL_S)

    async def call_again(client: Any, deadline: float) -> None:
        while (started := time.monotonic()) < deadline:
            await call(client)
            latencies.append(time.monotonic() - started)

    async with InferenceServerClient(address) as client:
        try:
            await asyncio.gather(*(call(client) for _ in range(warm_up)))
            started = time.monotonic()
            await asyncio.gather(*(call_again(client, started + seconds) for _ in range(callers)))
        except InferenceServerException as error:
            raise Infeasible(f"{model}: {error.message()}") from error
    return Load(tuple(latencies), time.monotonic() - started)
