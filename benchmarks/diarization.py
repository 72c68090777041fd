"""How fast the service diarizes, against pyannote.audio's own pipeline.

One conversation is diarized, from its file, by contenders who take turns.
"""

import os
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.pipeline import PyannotePipeline, device_of
from benchmarks.report import Goal, Report, Row, Value, show
from benchmarks.rounds import Part, Turns, measure, rows
from benchmarks.service import Url, service, settings_for, triton_version
from benchmarks.speech import long_conversation, sample, sample_path, wav
from triologue import Client
from triologue_server.settings import Settings

TARGET = "bench-diarization"

PEER = "pyannote.audio pipeline"
SERVICE = "service, diarization"
GOAL = 8.0


class Bench:
    """The contenders, and what they work on.

    Args:
        url: Of the service, `grpc://`.
        peer: What it is measured against.
        audio: The recording's file.
        seconds: Its length.
    """

    def __init__(self, url: str, peer: PyannotePipeline, audio: bytes, seconds: float) -> None:
        self._client = Client(url)
        self._peer = peer
        self._audio = audio
        self._seconds = seconds

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def warm_up(self) -> None:
        """Let everybody do a little work untimed: what is used first is loaded then."""
        short = sample_path().read_bytes()
        self._client.diarize(short)
        self._peer.diarize(short)

    def part(self) -> Part:
        """Return what is measured; all start from the file."""
        name = f"one recording of {self._seconds:.0f} s"
        return Part(name, self._seconds, "audio s/s", {PEER: self._by_peer, SERVICE: self._by_service})

    def _by_peer(self) -> list[float]:
        self._peer.diarize(self._audio)
        return []  # it is one request, and has no latencies that say more than the speed

    def _by_service(self) -> list[float]:
        self._client.diarize(self._audio)
        return []


def goals(turns: Mapping[str, Turns]) -> list[Goal]:
    """Return what should have been found."""
    ratio = turns[SERVICE].ratio_of(turns[PEER])
    return [Goal(name=f"{SERVICE} / {PEER}", value=ratio, bound="at least", goal=GOAL)]


def without_gaps(found: Row) -> Row:
    """Return a line of the table without what no line of it holds: latencies."""
    return {name: value for name, value in found.items() if value is not None}


def _described(settings: Settings) -> dict[str, Value]:
    diarization = settings.diarization
    return {
        "pipeline": diarization.pipeline,
        "device": str(device_of(diarization)),
        "precision": diarization.precision,
    }


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Turns of every contender.")] = 1,
    seconds: Annotated[float, typer.Option(min=10.0, help="Length of the recording.")] = 600.0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of the pipeline; one for every core by default.")
    ] = None,
    url: Url = None,
) -> None:
    """Measure how fast the service diarizes, against pyannote.audio's pipeline in this process."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    settings = settings_for(None)
    diarization = settings.diarization
    threads = threads or len(os.sched_getaffinity(0))
    audio = wav(long_conversation(sample(), seconds))
    peer = PyannotePipeline(settings, threads)
    options = {
        **_described(settings),
        "threads_of_the_peer": threads,
        "threads_of_each_network": diarization.threads,
        "rounds": rounds,
        "ratio": "to the speed of the first, median over the rounds",
    }
    report = Report(options=options, rows=[])
    with service(settings, url, progress) as address:
        report.versions |= triton_version(address)
        bench = Bench(address, peer, audio, seconds)
        bench.warm_up()
        part = bench.part()
        turns = measure(part, rounds, progress)
        bench.close()
    report.rows = [without_gaps(row) for row in rows(part, turns)]
    report.goals = goals(turns)
    path = report.save(TARGET)
    show(report, f"bench-diarization, {path}")


if __name__ == "__main__":
    typer.run(main)
