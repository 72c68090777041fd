"""Whether a server lasts: `make soak`, and with `--full` for the better part of an hour.

Each part has a server of its own:

- `mixed`: very different requests of several callers, some of whom leave, or send what is to be refused;
- `overload`: ten times more than the server can do;
- `streams`: many streams at once.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.report import Goal, Report, Row, Value, show
from benchmarks.service import described, settings_for, triton_version
from benchmarks.soak import mixed, overload, overload_verdict, plot, streams
from benchmarks.soak.sampling import Watch
from benchmarks.soak.uploads import AUDIO_HOURS, UPLOAD_MB
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.triton.server import TritonServer

TARGET = "soak"
PICTURE = Path(__file__).parents[2] / "docs" / "soak.svg"


class Part(str, Enum):
    """What can be measured by itself."""

    MIXED = "mixed"
    OVERLOAD = "overload"
    STREAMS = "streams"


Found = tuple[list[Row], list[Goal]]


def measure_mixed(full: bool, report: Report, console: Console) -> Found:
    """Send mixed requests, and draw what the server takes up meanwhile."""
    extent = mixed.FULL if full else mixed.QUICK
    report.options |= {"warm_up": extent.warm_up, "requests": extent.requests, "at_once": mixed.AT_ONCE}
    with serving({"upload_mb": UPLOAD_MB, "audio_hours": AUDIO_HOURS}, report, console) as (urls, watch, _):
        found = mixed.measure(urls, watch, extent, console)
    plot.write(found.samples, PICTURE)
    return mixed.rows(found), mixed.goals(found)


def measure_overload(full: bool, report: Report, console: Console) -> Found:
    """Ask for more than the server can do."""
    extent = overload.FULL if full else overload.QUICK
    report.options |= {"overload_s": extent.overload_s, "times": overload.TIMES}
    with serving({}, report, console) as (urls, watch, settings):
        places = settings.limits.recordings_in_flight + settings.limits.recordings_waiting
        found = overload.measure(urls, watch, places, extent, console)
    return overload_verdict.rows(found), overload_verdict.goals(found)


def measure_streams(full: bool, report: Report, console: Console) -> Found:
    """Open many streams."""
    extent = streams.FULL if full else streams.QUICK
    report.options |= {"streams": streams.STREAMS, "rounds": extent.rounds}
    with serving({"recordings_in_flight": streams.STREAMS}, report, console) as (urls, watch, _):
        found = streams.measure(urls, watch, extent, console)
    return streams.rows(found), streams.goals(found)


PARTS: Mapping[Part, Callable[[bool, Report, Console], Found]] = {
    Part.MIXED: measure_mixed,
    Part.OVERLOAD: measure_overload,
    Part.STREAMS: measure_streams,
}


@contextmanager
def serving(
    limits: Mapping[str, Any], report: Report, console: Console
) -> Iterator[tuple[dict[str, str], Watch, Settings]]:
    """Yield the URLs of a server with these limits, who watches it, and its settings."""
    settings = settings_for(None)
    # Asked for first, since its message is plainer than Triton's.
    ModelStore(settings.models).require(resolve_whisper(settings.whisper.model))
    settings = settings.model_copy(update={"limits": settings.limits.model_copy(update=limits)})
    console.print("starting Triton")
    with TritonServer(settings, on_output=console.print) as server:
        report.versions |= triton_version(server.grpc_url)
        # Its segments of shared memory are named after the process that has started it.
        with Watch(server.metrics_url, f"triologue_{os.getpid()}_") as watch:
            yield {"http": server.http_url, "grpc": server.grpc_url}, watch, settings


def main(
    part: Annotated[list[Part] | None, typer.Option(help="What to measure; all by default.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="For as long as the goals are meant, the better part of an hour.")
    ] = False,
) -> None:
    """Measure whether a server lasts: mixed requests, overload, many streams."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    options: dict[str, Value] = {**described(settings_for(None)), "full": full}
    report = Report(options=options, rows=[])
    for chosen in part or list(Part):
        found, goals = PARTS[chosen](full, report, console)
        report.rows += found
        report.goals += goals
    path = report.save(TARGET)
    show(report, f"{TARGET}, {path}")


if __name__ == "__main__":
    typer.run(main)
