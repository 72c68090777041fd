"""Ten times more than a server can do: what it accepts it answers, what it refuses it refuses at once."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

from rich.console import Console

from benchmarks.encoded import Format
from benchmarks.locust.arrivals import Arrivals
from benchmarks.soak.sampling import Sample, Watch
from benchmarks.soak.uploads import encoded
from benchmarks.speech import clips, sample
from triologue import AsyncClient, TriologueError
from triologue.schema import ErrorCode

TIMES = 10
"""How many times more is asked for than the server can do."""

AS_BEFORE = 1.5
"""How much longer a call may take that counts as one of a server with nothing else to do."""

_CLIP_S = 10.0
_CLIPS = 6
_CALLERS = 8
_ALONE = 5  # calls, of which the median counts
_SEED = 1
_REST_S = 60.0
_TIMEOUT_S = 900.0  # generous: nobody leaves
_RECOVERY_S = 120.0


@dataclass(frozen=True)
class Extent:
    """How long it is done, in seconds."""

    sustained_s: float
    """For which callers wait for each other, to find what the server can do."""
    overload_s: float
    """For which it is asked for more."""


QUICK, FULL = Extent(15.0, 30.0), Extent(45.0, 300.0)


@dataclass(frozen=True)
class Reply:
    """What became of a call."""

    seconds: float
    """From the call to its end."""
    code: ErrorCode | None = None
    """Of the error, if it was one."""
    has_begun: bool = False
    """Whether the server had told that it works on it."""
    retry_after_s: float | None = None
    """When the server says to ask again."""
    message: str = ""
    """The words of the error."""

    @property
    def was_answered(self) -> bool:
        """Whether it has its answer."""
        return self.code is None

    @property
    def was_refused(self) -> bool:
        """Whether it was turned away, and may be made again."""
        return self.code in (ErrorCode.OVERLOADED, ErrorCode.UNAVAILABLE) and not self.has_begun


@dataclass(frozen=True)
class Found:
    """What was found."""

    sustainable: float
    """Calls a second that the server answers, with callers who wait for each other."""
    alone_s: float
    """What a call takes that is alone."""
    places: int
    """Recordings that may be worked on or wait."""
    load_s: float
    """For how long calls were made."""
    replies: Sequence[Reply]
    """What became of them."""
    drained_s: float
    """From the last call to the last answer."""
    recovered_s: float
    """From the last answer to the end of the first call that took about as long as one alone before."""
    generator: float
    """Share of one core that making the calls took."""
    before: Sample
    """The server at rest, before the overload."""
    samples: Sequence[Sample]
    """During the overload."""
    after: Sample
    """At rest again."""


class Calls:
    """Makes calls by both protocols in turn.

    Args:
        clients: Who make them.
        uploads: Recordings, which take turns.
    """

    def __init__(self, clients: Sequence[AsyncClient], uploads: Sequence[bytes]) -> None:
        self._clients, self._uploads = clients, uploads
        self._made = 0

    async def make(self) -> Reply:
        """Make a call, and return what became of it."""
        number, self._made = self._made, self._made + 1
        client = self._clients[number % len(self._clients)]
        events: list[object] = []
        began = time.perf_counter()
        try:
            await client.transcribe_diarized(
                self._uploads[number % len(self._uploads)], language="en", on_event=events.append
            )
        except TriologueError as error:
            seconds = time.perf_counter() - began
            return Reply(seconds, error.code, bool(events), error.retry_after_s, error.message)
        return Reply(time.perf_counter() - began)


def measure(urls: Mapping[str, str], watch: Watch, places: int, extent: Extent, console: Console) -> Found:
    """Overload a server.

    Args:
        urls: Of the server, by `http` and `grpc`.
        watch: Looks at it.
        places: Recordings that it lets in.
        extent: For how long.
        console: Told what is going on.
    """
    return asyncio.run(_measure(urls, watch, places, extent, console))


async def _measure(
    urls: Mapping[str, str], watch: Watch, places: int, extent: Extent, console: Console
) -> Found:
    uploads = [encoded(clip, Format.OPUS) for clip in clips(sample(), _CLIPS, _CLIP_S)]
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(AsyncClient(url, timeout_s=_TIMEOUT_S, retries=0))
            for url in urls.values()
        ]
        calls = Calls(clients, uploads)
        rate = await sustained(calls, extent.sustained_s)
        alone_s = median([(await calls.make()).seconds for _ in range(_ALONE)])
        console.print(f"overload: {rate:.2f} calls a second are answered, {alone_s:.2f} s each alone")
        before = await asyncio.to_thread(watch.rest, _REST_S)
        console.print(f"overload: {TIMES * rate:.1f} calls a second for {extent.overload_s:.0f} s")
        began, computed = time.perf_counter(), time.process_time()
        tasks = await offered(calls, TIMES * rate, extent.overload_s)
        load_s = time.perf_counter() - began
        computed = time.process_time() - computed
        loaded_until = watch.now
        replies = await asyncio.gather(*tasks)
        drained_s = time.perf_counter() - began - load_s
        recovered_s = await recovered(calls, AS_BEFORE * alone_s)
        after = await asyncio.to_thread(watch.rest, _REST_S)
    return Found(
        sustainable=rate,
        alone_s=alone_s,
        places=places,
        load_s=load_s,
        replies=replies,
        drained_s=drained_s,
        recovered_s=recovered_s,
        generator=computed / load_s,
        before=before,
        samples=[one for one in watch.samples if before.at < one.at <= loaded_until],
        after=after,
    )


async def sustained(calls: Calls, seconds: float) -> float:
    """Let callers wait for each other, and return how many calls a second are answered."""
    began = time.perf_counter()

    async def go_on() -> int:
        answered = 0
        while time.perf_counter() < began + seconds:
            answered += (await calls.make()).was_answered
        return answered

    answered = sum(await asyncio.gather(*(go_on() for _ in range(_CALLERS))))
    return answered / (time.perf_counter() - began)


async def offered(calls: Calls, rate: float, seconds: float) -> list["asyncio.Task[Reply]"]:
    """Make calls at a rate, whether earlier ones are answered or not, and return all of them."""
    arrivals = Arrivals(rate, random.Random(_SEED))  # noqa: S311
    tasks = []
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        await asyncio.sleep(arrivals.pause(now))
        tasks.append(asyncio.create_task(calls.make()))
    return tasks


async def recovered(calls: Calls, as_before_s: float) -> float:
    """Make calls one by one until one takes no longer than that; return how long it was until then."""
    began = time.perf_counter()
    while (waited := time.perf_counter() - began) < _RECOVERY_S:
        reply = await calls.make()
        if reply.was_answered and reply.seconds <= as_before_s:
            return time.perf_counter() - began
    return waited
