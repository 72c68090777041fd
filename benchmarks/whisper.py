"""How fast the service transcribes, against faster-whisper with as many threads.

Three kinds of work are measured, by contenders who take turns:

- `windows`: clips of ten seconds, by the `whisper` core alone;
- `short`: the same clips as requests to the public model `transcription`;
- `long`: one recording of five minutes, by the same.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks.peers import Peers
from benchmarks.report import Goal, Report, show
from benchmarks.rounds import Part, Turns, measure, rows, timed
from benchmarks.service import (
    CoreClient,
    Url,
    WhisperName,
    described,
    service,
    settings_for,
    triton_version,
)
from benchmarks.speech import clips, long_conversation, sample, wav
from triologue import Client
from triologue_server.audio import to_float
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.transcription.processor import WhisperProcessor
from triologue_server.transcription.window import WindowOptions

TARGET = "bench-whisper"
CLIP_SECONDS = 10.0
AT_ONCE = (1, 2, 4, 8, 16)
BATCH_SIZE = 8
LARGE_BATCH_SIZE = 16

DECODING: dict[str, Any] = {"language": "en", "beam_size": 5, "temperature": 0.0}
"""What every contender decodes with."""
TEXT_ALONE: dict[str, Any] = {"without_timestamps": True, "word_timestamps": False}
"""What they write, but for those who slide a window and need timestamps to move on."""

ONE_BY_ONE = "WhisperModel, one by one"
BATCHED = f"BatchedInferencePipeline, batch {BATCH_SIZE}"
LARGE_BATCHED = f"BatchedInferencePipeline, batch {LARGE_BATCH_SIZE}"
SLIDING = "WhisperModel, sequential"
SERVICE_BATCHED = "service, batched"
SERVICE_SLIDING = "service, sequential"
SHORT_REQUESTS = 8


def by_service(at_once: int) -> str:
    """Return the name of the service as a contender who has so many requests at once."""
    return f"service, {at_once} at once"


class Bench:
    """The contenders, and what they work on.

    Args:
        url: Of the service, `grpc://`.
        settings: Of the service.
        windows: How many clips there are.
        seconds: Length of the long recording.
    """

    def __init__(self, url: str, settings: Settings, windows: int, seconds: float) -> None:
        store = ModelStore(settings.models)
        processor = WhisperProcessor(store.require(resolve_whisper(settings.whisper.model)))
        conversation = sample()
        self._clips = clips(conversation, windows, CLIP_SECONDS)
        self._requests = [wav(clip) for clip in clips(conversation, SHORT_REQUESTS, CLIP_SECONDS)]
        self._long = wav(long_conversation(conversation, seconds))
        self._seconds = seconds
        self._peers = Peers(settings.whisper, store)
        self._client = Client(url)
        self._core = CoreClient(url, processor, WindowOptions(**DECODING, **TEXT_ALONE))

    def close(self) -> None:
        """Close the connections."""
        self._core.close()
        self._client.close()

    def warm_up(self) -> None:
        """Let everybody do a little work untimed: what is used first is loaded then."""
        request = self._requests[0]
        self._core.transcribe(self._clips[0])
        for mode in ("batched", "sequential"):
            self._client.transcribe(request, mode=mode, **DECODING)
        self._peers.transcribe(request, vad_filter=True, **DECODING)
        self._peers.transcribe_batched(request, **DECODING)

    def windows(self) -> Part:
        """Return the part in which the core is measured; all start from samples."""
        floats = [to_float(clip) for clip in self._clips]
        # One long array, since the pipeline has one recording cut into batches.
        together = np.concatenate(floats)
        bounds = [{"start": at * CLIP_SECONDS, "end": (at + 1) * CLIP_SECONDS} for at in range(len(floats))]
        options = DECODING | TEXT_ALONE

        def one_by_one() -> list[float]:
            return timed(lambda clip: self._peers.transcribe(clip, **options), floats)

        def batched() -> list[float]:
            self._peers.transcribe_batched(together, batch_size=BATCH_SIZE, clip_timestamps=bounds, **options)
            return []

        def core(at_once: int) -> Callable[[], list[float]]:
            return lambda: timed(self._core.transcribe, self._clips, at_once)

        contenders = {ONE_BY_ONE: one_by_one, BATCHED: batched}
        contenders |= {by_service(at_once): core(at_once) for at_once in AT_ONCE}
        return Part("windows of 10 s", len(floats), "windows/s", contenders)

    def short(self) -> Part:
        """Return the part in which short requests come one by one or all at once; all start from files."""
        options = DECODING | TEXT_ALONE | {"vad_filter": False}

        def peer() -> list[float]:
            return timed(lambda request: self._peers.transcribe(request, **options), self._requests)

        def requests(at_once: int) -> Callable[[], list[float]]:
            return lambda: timed(
                lambda request: self._client.transcribe(request, **options), self._requests, at_once
            )

        contenders = {ONE_BY_ONE: peer}
        contenders |= {by_service(at_once): requests(at_once) for at_once in (1, SHORT_REQUESTS)}
        return Part("requests of 10 s", len(self._requests), "requests/s", contenders)

    def long(self) -> Part:
        """Return the part in which one long recording is transcribed; all start from its file."""
        found = DECODING | {"vad_filter": True}
        options = found | TEXT_ALONE

        def peer(batch_size: int) -> Callable[[], list[float]]:
            return lambda: _once(self._peers.transcribe_batched(self._long, batch_size=batch_size, **options))

        contenders = {
            BATCHED: peer(BATCH_SIZE),
            LARGE_BATCHED: peer(LARGE_BATCH_SIZE),
            SERVICE_BATCHED: lambda: _once(self._client.transcribe(self._long, mode="batched", **options)),
            SLIDING: lambda: _once(self._peers.transcribe(self._long, **found)),
            SERVICE_SLIDING: lambda: _once(self._client.transcribe(self._long, mode="sequential", **found)),
        }
        name = f"one recording of {self._seconds:.0f} s"
        return Part(name, self._seconds, "audio s/s", contenders)


def _once(_: object) -> list[float]:
    """Return the latencies of what is one request: none that says more than the speed."""
    return []


class PartName(str, Enum):
    """What can be measured by itself."""

    WINDOWS = "windows"
    SHORT = "short"
    LONG = "long"


PARTS: dict[PartName, Callable[[Bench], Part]] = {
    PartName.WINDOWS: Bench.windows,
    PartName.SHORT: Bench.short,
    PartName.LONG: Bench.long,
}


def goals(part: PartName, turns: Mapping[str, Turns]) -> list[Goal]:
    """Return what should have been found in a part."""

    def at_least(goal: float, own: str, peer: str) -> Goal:
        ratio = turns[own].ratio_of(turns[peer])
        return Goal(name=f"{part.value}: {own} / {peer}", value=ratio, bound="at least", goal=goal)

    if part is PartName.SHORT:
        return [at_least(1.7, by_service(SHORT_REQUESTS), peer) for peer in (ONE_BY_ONE, by_service(1))]
    if part is PartName.LONG:
        return [at_least(0.97, SERVICE_BATCHED, peer) for peer in (BATCHED, LARGE_BATCHED)]
    return []


def main(
    parts: Annotated[list[PartName] | None, typer.Argument(help="What to measure; all by default.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of every contender.")] = 3,
    windows: Annotated[int, typer.Option(min=1, help="Clips that the core transcribes in a turn.")] = 16,
    seconds: Annotated[float, typer.Option(min=10.0, help="Length of the long recording.")] = 300.0,
    whisper: WhisperName = None,
    url: Url = None,
) -> None:
    """Measure how fast the service transcribes, against faster-whisper in this process."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    settings = settings_for(whisper)
    options = {
        **described(settings),
        **DECODING,
        "rounds": rounds,
        "speed": "median over the rounds",
        "ratio": "to the speed of the first of the same work, median over the rounds",
    }
    report = Report(options=options, rows=[])
    with service(settings, url, progress) as address:
        report.versions |= triton_version(address)
        bench = Bench(address, settings, windows, seconds)
        bench.warm_up()
        for name in parts or PARTS:
            part = PARTS[name](bench)
            turns = measure(part, rounds, progress)
            report.rows += rows(part, turns)
            report.goals += goals(name, turns)
        bench.close()
    path = report.save(TARGET)
    show(report, f"{TARGET}, {path}")


if __name__ == "__main__":
    typer.run(main)
