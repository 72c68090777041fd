"""Many streams at once: each gets the answer that its recording gets alone."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from rich.console import Console

from benchmarks.encoded import Format
from benchmarks.report import Goal, Row
from benchmarks.soak.sampling import Sample, Watch
from benchmarks.soak.uploads import encoded
from benchmarks.soak.verdict import at_most, percentile, replaced, taken_up, unfinished
from benchmarks.speech import clips, sample
from triologue import (
    AsyncClient,
    DiarizedTranscriptionResult,
    ResultEvent,
    TriologueError,
)

NAME = "streams"
STREAMS = 64
"""How many there are at once."""

_RECORDINGS = 8  # different ones, which streams share
_TIMEOUT_S = 900.0
_REST_S = 120.0
_SHORTEST_S, _LONGEST_S = 5.0, 20.0


@dataclass(frozen=True)
class Extent:
    """How much is done."""

    rounds: int
    """How often all streams are opened."""


QUICK, FULL = Extent(1), Extent(4)


@dataclass(frozen=True)
class Stream:
    """What came of a stream."""

    seconds: float
    """From the call to its end."""
    is_answer: bool
    """Whether it ended with the answer that the recording gets alone."""
    error: str = ""
    """Code and words, if it ended with one."""


@dataclass(frozen=True)
class Found:
    """What was found."""

    rounds: Sequence[Sequence[Stream]]
    """The streams of each round."""
    before: Sample
    """The server at rest, before the first round."""
    samples: Sequence[Sample]
    """In between."""
    after: Sample
    """At rest, after the last one."""


def measure(urls: Mapping[str, str], watch: Watch, extent: Extent, console: Console) -> Found:
    """Open streams of a server.

    Args:
        urls: Of the server, by `http` and `grpc`.
        watch: Looks at it.
        extent: How often.
        console: Told what is going on.
    """
    return asyncio.run(_measure(urls, watch, extent, console))


async def _measure(urls: Mapping[str, str], watch: Watch, extent: Extent, console: Console) -> Found:
    recordings = _recordings()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(AsyncClient(url, timeout_s=_TIMEOUT_S, retries=0))
            for url in urls.values()
        ]
        console.print(f"streams: {len(recordings)} recordings alone")
        alone = [await _answer(clients[0], audio) for audio in recordings]
        before = await asyncio.to_thread(watch.rest, _REST_S)
        rounds = []
        for number in range(1, extent.rounds + 1):
            console.print(f"streams: {STREAMS} at once, round {number} of {extent.rounds}")
            rounds.append(await _round(clients, recordings, alone))
        for stream in {stream.error: stream for streams in rounds for stream in streams}.values():
            if stream.error:
                console.print(f"streams: {stream.error}")
        after = await asyncio.to_thread(watch.rest, _REST_S)
    samples = [one for one in watch.samples if before.at < one.at < after.at]
    return Found(rounds, before, samples, after)


def _recordings() -> list[bytes]:
    """Return recordings of growing length, as FLAC files."""
    step = (_LONGEST_S - _SHORTEST_S) / (_RECORDINGS - 1)
    conversation = sample()
    return [
        encoded(clips(conversation, _RECORDINGS, _SHORTEST_S + number * step)[number], Format.FLAC)
        for number in range(_RECORDINGS)
    ]


async def _round(
    clients: Sequence[AsyncClient], recordings: Sequence[bytes], alone: Sequence[DiarizedTranscriptionResult]
) -> list[Stream]:
    # Each recording by each client.
    turns = [
        (clients[number % len(clients)], number // len(clients) % len(recordings))
        for number in range(STREAMS)
    ]
    return await asyncio.gather(*(_open(client, recordings[turn], alone[turn]) for client, turn in turns))


async def _open(client: AsyncClient, audio: bytes, expected: DiarizedTranscriptionResult) -> Stream:
    began = time.perf_counter()
    try:
        answer = await _answer(client, audio)
    except TriologueError as error:
        return Stream(time.perf_counter() - began, False, error.to_wire())
    return Stream(time.perf_counter() - began, is_same(answer, expected))


async def _answer(client: AsyncClient, audio: bytes) -> DiarizedTranscriptionResult:
    """Return the last event of a stream."""
    async for event in client.stream(audio, temperature=0.0):
        last = event
    assert isinstance(last, ResultEvent)  # noqa: S101
    assert isinstance(last.result, DiarizedTranscriptionResult)  # noqa: S101
    return last.result


def is_same(answer: DiarizedTranscriptionResult, other: DiarizedTranscriptionResult) -> bool:
    """Say whether two answers differ in nothing but how long they took."""
    return answer.model_copy(update={"processing": other.processing}) == other


def rows(found: Found) -> list[Row]:
    """Return how many streams were answered, how long it took, and what the server took up."""
    lines: list[Row] = []
    for number, streams in enumerate(found.rounds, 1):
        seconds = [stream.seconds for stream in streams]
        lines.append(
            {
                "part": NAME,
                "what": f"round {number}, {len(streams)} streams",
                "unit": "answers; s",
                "number": sum(stream.is_answer for stream in streams),
                "p50": percentile(seconds, 50),
                "p95": percentile(seconds, 95),
                "most": max(seconds),
            }
        )
    return lines + taken_up(NAME, found.before, found.samples, found.after)


def goals(found: Found) -> list[Goal]:
    """Return what should have been found."""
    streams = [stream for streams in found.rounds for stream in streams]
    failed = sum(bool(stream.error) for stream in streams)
    others = sum(not stream.is_answer and not stream.error for stream in streams)
    return [
        at_most(f"{NAME}: streams without an answer", failed, 0),
        at_most(f"{NAME}: answers other than that of the recording alone", others, 0),
        unfinished(NAME, found.after),
        replaced(NAME, found.before, found.after),
    ]
