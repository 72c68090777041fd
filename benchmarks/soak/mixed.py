"""Very different requests for a long time: each ends as it has to, and the server stays as it is."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from benchmarks.encoded import Format
from benchmarks.report import Goal, Row
from benchmarks.soak.calls import Caller, Ended
from benchmarks.soak.plan import Ending, largest, plan
from benchmarks.soak.sampling import Sample, Watch
from benchmarks.soak.uploads import Uploads, encoded
from benchmarks.soak.verdict import (
    ABANDONED,
    ALLOCATED,
    FILES,
    MEMORY,
    SEGMENTS,
    THREADS,
    WRITTEN,
    Measure,
    at_most,
    replaced,
    taken_up,
    unfinished,
)
from benchmarks.speech import clips, sample
from triologue import Client, KnownSpeaker

MOST_GROWTH_PERCENT = 5.0
"""By how much memory may have grown at the end."""

LAZY = 4
"""So many more threads are no leak: Triton's network adds some when it is busier than ever."""

KEPT_MB = 2.0
"""So much more shared memory in use is no leak: unary instances, 20 in all, keep their last 8 streams."""

NAME = "mixed"
AT_ONCE = 8
WARM_UP_AT_ONCE = 24
"""More than work at once, so that every pool of threads is as large as it gets."""

_SEED = 1
_LONGEST_REST_S = 180.0


@dataclass(frozen=True)
class Extent:
    """How many requests are made."""

    warm_up: int
    """Before the server is looked at for the first time."""
    requests: int
    """From then on."""


QUICK, FULL = Extent(60, 100), Extent(200, 1000)


@dataclass(frozen=True)
class Found:
    """What was found."""

    ended: Sequence[Ended]
    """What became of the requests."""
    before: Sample
    """The server at rest, after it has warmed up."""
    after: Sample
    """At rest, after the last request."""
    samples: Sequence[Sample]
    """Those in between and these two."""


def measure(urls: Mapping[str, str], watch: Watch, extent: Extent, console: Console) -> Found:
    """Make requests of a server.

    Args:
        urls: Of the server, by `http` and `grpc`.
        watch: Looks at it.
        extent: How many requests.
        console: Told what is going on.
    """
    uploads = Uploads.make(_SEED)
    caller = Caller(urls, voices(urls["grpc"]))
    console.print(f"mixed: {extent.warm_up} requests to warm up")
    # Triton gives a process more shared memory when an upload needs it, and never takes it back: all of them
    # get the largest there is, all at once, before the server is looked at.
    asyncio.run(caller.make_all(largest(WARM_UP_AT_ONCE, uploads), WARM_UP_AT_ONCE))
    warm_up = plan(extent.warm_up, uploads, seed=_SEED + 1)
    asyncio.run(caller.make_all(warm_up, WARM_UP_AT_ONCE))
    before = watch.rest(_LONGEST_REST_S)
    console.print(f"mixed: {extent.requests} requests")
    ended = asyncio.run(caller.make_all(plan(extent.requests, uploads, seed=_SEED), AT_ONCE))
    after = watch.rest(_LONGEST_REST_S)
    for one in ended:
        if not one.is_as_planned:
            console.print(f"not as planned: {one}")
    return Found(ended, before, after, [sample for sample in watch.samples if sample.at >= before.at])


def voices(url: str) -> dict[str, KnownSpeaker]:
    """Return somebody whose voice is known, by how it is given."""
    (clip,) = clips(sample(), 1, 10.0)
    audio = encoded(clip, Format.FLAC)
    with Client(url) as client:
        vector = client.enroll(audio, "Ann")
    return {"vector": vector, "clip": KnownSpeaker.from_clip("Ann", audio)}


def rows(found: Found) -> list[Row]:
    """Return how requests ended, by which ways they came, and what the server took up."""
    made = Counter(ended.planned.ending for ended in found.ended)
    right = Counter(ended.planned.ending for ended in found.ended if ended.is_as_planned)
    lines: list[Row] = [
        {
            "part": NAME,
            "what": ending.value,
            "unit": "requests",
            "number": number,
            "as planned": right[ending],
        }
        for ending, number in made.most_common()
    ]
    ways = Counter(ended.planned.way.value for ended in found.ended)
    lines += [
        {"part": NAME, "what": f"by {way}", "unit": "requests", "number": number}
        for way, number in ways.most_common()
    ]
    seconds = found.after.at - found.before.at
    lines.append({"part": NAME, "what": "all of it", "unit": "s", "number": round(seconds)})
    return lines + taken_up(NAME, found.before, found.samples, found.after)


def goals(found: Found) -> list[Goal]:
    """Return what should have been found."""
    before, after = found.before, found.after
    wrong = sum(not ended.is_as_planned for ended in found.ended)
    return [
        at_most(f"{NAME}: requests that did not end as planned", wrong, 0),
        unfinished(NAME, after),
        replaced(NAME, before, after),
        _stays("open files, more than before", FILES, found, 0),
        _stays("sockets without a connection, more than before", ABANDONED, found, _broken_off(found.ended)),
        _stays("threads, more than before", THREADS, found, LAZY),
        _stays("segments of shared memory, more than before", SEGMENTS, found, 0),
        _stays("shared memory in use, more than before in MB", ALLOCATED, found, KEPT_MB),
        _grows("shared memory ever written", WRITTEN, found),
        _grows("memory", MEMORY, found),
    ]


def _broken_off(ended: Sequence[Ended]) -> int:
    """Count who broke off an upload over gRPC: of some of them Triton's keeps the socket (2.51)."""
    return sum(one.planned.ending is Ending.DROPPED and one.planned.way.is_grpc for one in ended)


def _stays(name: str, measure: Measure, found: Found, most: float) -> Goal:
    return at_most(f"{NAME}: {name}", measure.of(found.after) - measure.of(found.before), most)


def _grows(name: str, measure: Measure, found: Found) -> Goal:
    percent = 100 * (measure.of(found.after) / measure.of(found.before) - 1)
    return at_most(f"{NAME}: {name}, growth in %", percent, MOST_GROWTH_PERCENT)
