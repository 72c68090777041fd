"""How fast diarized transcription is, from file to answer: `make bench`, and with `--full` for an hour.

Five kinds of work are measured, by one server:

- `many`: recordings of some length by eight callers at once, and by what users put together by hand;
- `one`: one recording, by the service, by hand, and by the service's own functions without Triton;
- `fair`: a short recording while a long one is being worked on;
- `stages`: where every second of a recording goes;
- `steady`: the memory of the server over many requests.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.accuracy.whisperx import WhisperX
from benchmarks.endtoend import fairness, stages, steadiness
from benchmarks.endtoend.by_hand import DECODING, THREADS, ByHand, naive_triton
from benchmarks.endtoend.in_process import InProcess
from benchmarks.endtoend.recordings import clips
from benchmarks.endtoend.throughput import Contender, Transcribe, compare, rows, rtfx
from benchmarks.report import Goal, Report, Row, show
from benchmarks.service import described, settings_for, triton_version
from triologue import AsrSegment, Client
from triologue_server.settings import Settings
from triologue_server.triton.server import TritonServer

TARGET = "bench"

SEQUENTIAL = "(a) WhisperModel + pyannote"
BATCHED = "(b) BatchedInferencePipeline + pyannote"
WHISPERX = "(c) WhisperX"
NAIVE = "(d) Triton, one Python model that runs (b)"
CALLERS = 8
SERVICE_MANY = f"service, {CALLERS} callers"
SERVICE = "service"
OWN_FUNCTIONS = "service's functions, no Triton"


class Part(str, Enum):
    """What can be measured by itself."""

    MANY = "many"
    ONE = "one"
    FAIR = "fair"
    STAGES = "stages"
    STEADY = "steady"


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    many: tuple[float, ...]
    """Seconds of the recordings of several callers."""
    one: float
    """Seconds of the recording that is alone."""
    long: float
    """Seconds of the recording that others come beside of."""
    requests: int
    """How many the memory is watched for."""


QUICK = Extent((30,) * 8, 120.0, 600.0, 80)
FULL = Extent((30, 45, 60, 60, 90, 120, 180, 300), 600.0, 3600.0, 200)

FEWER = 4
"""Recordings for those whom the service is not compared with: they take as long for each second as (b)."""

Found = tuple[list[Row], list[Goal]]


class Bench:
    """The contenders, and what they work on.

    Args:
        settings: Of the service.
        url: Of the service, which this process has started.
        client: Of the service.
        extent: How much is measured.
        console: Told what is going on.
    """

    def __init__(
        self, settings: Settings, url: str, client: Client, extent: Extent, console: Console
    ) -> None:
        self._settings = settings
        self._url = url
        self._client = client
        self._extent = extent
        self._console = console

    def many(self) -> Found:
        """Measure recordings of several callers; by hand there is one after the other, however many call."""
        work = f"{len(self._extent.many)} recordings"
        with naive_triton(self._settings) as naive:
            contenders = {
                BATCHED: _alone(ByHand(self._settings, batched=True)),
                SEQUENTIAL: _alone(ByHand(self._settings, batched=False), FEWER),
                **self._whisperx(),
                NAIVE: Contender(lambda audio: _words(naive(audio)), CALLERS, most=FEWER),
                SERVICE_MANY: Contender(self._by_service, CALLERS),
            }
            self._warm_up(contender.transcribe for contender in contenders.values())
            turns = compare(work, clips(self._extent.many), contenders, self._console)
        ratio = rtfx(turns[SERVICE_MANY]) / rtfx(turns[BATCHED])
        return rows(work, turns, BATCHED), [_at_least(5.0, f"{SERVICE_MANY} / (b)", ratio)]

    def one(self) -> Found:
        """Measure one recording."""
        work = f"one recording of {self._extent.one / 60:g} min"
        own = InProcess(self._settings)
        contenders = {
            BATCHED: _alone(ByHand(self._settings, batched=True)),
            SERVICE: Contender(self._by_service, rounds=3),
            OWN_FUNCTIONS: Contender(lambda audio: _words(own(audio, **DECODING)), rounds=3),
        }
        self._warm_up(contender.transcribe for contender in contenders.values())
        turns = compare(work, clips([self._extent.one]), contenders, self._console)
        overhead = 100 * (rtfx(turns[OWN_FUNCTIONS]) / rtfx(turns[SERVICE]) - 1)
        return rows(work, turns, BATCHED), [
            _at_least(4.0, f"{SERVICE}, one recording / (b)", rtfx(turns[SERVICE]) / rtfx(turns[BATCHED])),
            _at_most(5.0, f"{SERVICE}, time above that of its functions, %", overhead),
        ]

    def fair(self) -> Found:
        """Measure a short recording beside a long one."""
        short, long = clips([10.0, self._extent.long])
        alone, meanwhile = fairness.beside(self._by_service, short, long, most=30)
        found = fairness.rows(short, long, alone, meanwhile)
        ratio = float(found[-1]["ratio"] or 0)
        return found, [_at_most(3.0, "10 s beside a long recording / 10 s alone", ratio)]

    def stages(self) -> Found:
        """Take one recording apart."""
        (clip,) = clips([self._extent.one])
        served = stages.serve(self._url, self._by_service, clip)
        return stages.rows(clip, stages.time_stages(self._settings, clip), served), []

    def steady(self) -> Found:
        """Watch the memory of the server."""
        found = clips([5.0, 10.0, 15.0, 20.0, 10.0])
        sizes = steadiness.watch(self._by_service, found, self._extent.requests, CALLERS)
        return steadiness.rows(sizes), steadiness.goals(sizes)

    def _by_service(self, audio: bytes) -> int:
        return _words(self._client.transcribe_diarized(audio, **DECODING).segments)

    def _whisperx(self) -> dict[str, Contender]:
        if find_spec("whisperx") is None:
            return {}
        peer = WhisperX(self._settings, THREADS)
        return {WHISPERX: Contender(lambda audio: len(peer(audio, {}).spoken or ()), most=FEWER)}

    def _warm_up(self, transcribers: Iterable[Transcribe]) -> None:
        """Let everybody do a little work untimed: what is used first is loaded then."""
        (short,) = clips([15.0])
        for transcribe in transcribers:
            transcribe(short.audio)


PARTS: dict[Part, Callable[[Bench], Found]] = {
    Part.MANY: Bench.many,
    Part.ONE: Bench.one,
    Part.FAIR: Bench.fair,
    Part.STAGES: Bench.stages,
    Part.STEADY: Bench.steady,
}


def _alone(by_hand: ByHand, most: int | None = None) -> Contender:
    return Contender(lambda audio: _words(by_hand(audio)), most=most)


def _words(segments: Iterable[AsrSegment]) -> int:
    return sum(len(segment.text.split()) for segment in segments)


def _at_least(goal: float, name: str, value: float) -> Goal:
    return Goal(name=name, value=value, bound="at least", goal=goal)


def _at_most(goal: float, name: str, value: float) -> Goal:
    return Goal(name=name, value=value, bound="at most", goal=goal)


@contextmanager
def started(settings: Settings, console: Console) -> Iterator[tuple[TritonServer, float]]:
    """Yield a server that runs as long as the context, and how long it took to be ready, in seconds."""
    console.print("starting Triton")
    began = time.perf_counter()
    with TritonServer(settings, on_output=console.print) as server:
        yield server, time.perf_counter() - began


def measure(parts: Sequence[Part], extent: Extent, console: Console) -> Report:
    """Measure some parts, with a server of their own."""
    settings = settings_for(None)
    options = {
        **described(settings),
        "threads_of_pyannote": THREADS,
        **DECODING,
        "ratio": "to (b), or to idle",
    }
    report = Report(options=options, rows=[])
    with (
        started(settings, console) as (server, ready),
        Client(server.grpc_url, timeout_s=24 * 3600) as client,
    ):
        report.versions |= triton_version(server.grpc_url)
        report.goals.append(_at_most(20.0, "from start to ready, s", ready))
        bench = Bench(settings, server.grpc_url, client, extent, console)
        for part in parts:
            found, goals = PARTS[part](bench)
            report.rows += found
            report.goals += goals
    return report


def main(
    parts: Annotated[list[Part] | None, typer.Argument(help="What to measure; all by default.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Longer recordings, for the better part of an hour.")
    ] = False,
) -> None:
    """Measure diarized transcription from file to answer, against what users put together by hand."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    report = measure(parts or list(PARTS), FULL if full else QUICK, console)
    path = report.save(TARGET)
    show(report, f"{TARGET}, {path}")


if __name__ == "__main__":
    typer.run(main)
