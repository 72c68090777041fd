"""How fast the service writes down who says what on one NVIDIA GPU, against the same models without it.

    python -m benchmarks.gpu             # with large-v3-turbo, or a network of its shape and random weights
    python -m benchmarks.gpu --dry-run   # on a CPU, with a tiny network: whether all of it works

The service is under load by more and more callers. Its peers, pyannote.audio's pipeline and faster-whisper in
this process, take one recording after the other. `docs/gpu.md` tells what the figures mean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, cycle, islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks.encoded import Format, write_audio
from benchmarks.on_gpu.contenders import InOneProcess, Service, Sound
from benchmarks.on_gpu.figures import BATCHED, ONE_BY_ONE, Load, goals, unmeasured_rows
from benchmarks.on_gpu.random_whisper import TINY, TURBO, Shape, decoding_of, random_whisper
from benchmarks.on_gpu.watch import Gpu, NoGpu
from benchmarks.report import RESULTS, Report, Value, show
from benchmarks.service import described, service, triton_version
from benchmarks.speech import long_conversation, sample
from triologue_server.audio import SAMPLE_RATE
from triologue_server.settings import Settings
from triologue_server.store import Model, ModelStore, StoreError, resolve_diarization, resolve_whisper

TARGET = "gpu"

TOKENS = 107
"""What Whisper base writes for 30 seconds of speech in five minutes of the sample's conversation."""

DECODING: dict[str, Any] = {
    "language": "en",
    "beam_size": 5,
    "temperature": 0.0,
    "vad_filter": True,
    "compression_ratio_threshold": None,
    "log_prob_threshold": None,
    "no_speech_threshold": None,
}
"""What all transcribe with: no window is decoded twice, or left out for its text."""


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    profile: str
    """Of the service."""
    shape: Shape
    """Of the network of random weights."""
    levels: tuple[int, ...]
    """Recordings that the service has at once."""
    seconds: tuple[float, ...]
    """Lengths of the recordings, which come round and round."""
    rounds: int
    """Recordings of each caller, on average."""

    def share(self, sounds: Sequence[Sound], at_once: int) -> list[Sound]:
        """Return what so many callers send, out of the recordings; each of them comes at least once."""
        return list(islice(cycle(sounds), max(len(sounds), self.rounds * at_once)))


FULL = Plan("gpu", TURBO, (1, 2, 4, 8, 16, 32, 64), tuple(np.linspace(60.0, 300.0, 8)), rounds=3)
DRY = Plan("embedded", TINY, (1, 2), (15.0, 30.0), rounds=1)


@dataclass(frozen=True)
class Models:
    """What the contenders compute with."""

    settings: Settings
    """Of the service."""
    tokens: int | None
    """Tokens that a network of random weights writes for each window; `None` for a trained one."""

    @property
    def options(self) -> dict[str, Any]:
        """What all transcribe with."""
        return DECODING if self.tokens is None else DECODING | decoding_of(self.tokens)

    @property
    def work(self) -> str:
        """What is measured, in the words of the table."""
        if self.tokens is None:
            return "trained weights"
        return f"random weights, {self.tokens} tokens a window"


def models_of(plan: Plan, folder: Path, tokens: int, *, trained: bool) -> Models:
    """Choose models: the profile's where they are in the store.

    Args:
        plan: What is measured.
        folder: Where a network of random weights is kept.
        tokens: How many it writes for each window.
        trained: Whether Whisper's own weights are wanted.

    Raises:
        StoreError: The store lacks what takes their place.
    """
    profile = Settings(profile=plan.profile)
    store = ModelStore(profile.models)
    whisper, pipeline = profile.whisper.model, profile.diarization.pipeline
    if not _is_stored(store, resolve_diarization, pipeline):
        pipeline = "embedded"
    trained = trained and _is_stored(store, resolve_whisper, whisper)
    if not trained:
        whisper = str(random_whisper(plan.shape, folder, store))
    changes: dict[str, Any] = {"whisper": {"model": whisper}, "diarization": {"pipeline": pipeline}}
    settings = Settings(profile=plan.profile, http_port=0, grpc_port=0, metrics_port=0, **changes)
    return Models(settings, None if trained else tokens)


def recordings(lengths: Sequence[float], file_format: Format) -> list[Sound]:
    """Cut recordings of such lengths, in seconds, out of one conversation, and encode them."""
    conversation = long_conversation(sample(), sum(lengths))
    bounds = [round(end * SAMPLE_RATE) for end in accumulate(lengths, initial=0.0)]
    found = []
    with TemporaryDirectory(prefix="triologue-") as folder:
        path = Path(folder, f"recording.{file_format.value}")
        for start, end in pairwise(bounds):
            write_audio(conversation[start:end], path)
            found.append(Sound(path.read_bytes(), (end - start) / SAMPLE_RATE))
    return found


def measure(
    plan: Plan, models: Models, sounds: Sequence[Sound], gpu: Gpu | None, report: Report
) -> list[Load]:
    """Let the service, and after it the peers, do their work; the GPU is each one's alone.

    Args:
        plan: What is measured.
        models: What all compute with.
        sounds: The recordings.
        gpu: Where, if on one.
        report: Is told the version of Triton.

    Raises:
        StoreError: Weights are not in the model store.
    """
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    loads = []

    def note(load: Load) -> None:
        # A run that fails later has at least told this.
        row = load.row()
        told = (f"{figure} {row[figure]:.2f}" for figure in ("RTFx", "p50_s", "p95_s"))
        progress.print(f"{row['by']}: {', '.join(told)}; GPU % {row['GPU_%']}")
        loads.append(load)

    with service(models.settings, None, progress) as address:
        report.versions |= triton_version(address)
        contender = Service(address, models.options, gpu)
        # Not counted: what is used first is loaded, and memory taken for the largest batches.
        contender.take(plan.share(sounds, max(plan.levels)), max(plan.levels))
        for level in plan.levels:
            note(contender.take(plan.share(sounds, level), level))
        contender.close()
    peers = InOneProcess(models.settings, models.options, gpu)
    for by in (ONE_BY_ONE, BATCHED):
        # Not counted either, and the longest, which has the largest batches.
        peers.take(sounds[-1:], by)
        note(peers.take(sounds, by))
    return loads


def without_gpu(plan: Plan, reason: str, folder: Path) -> Report:
    """Return what was measured before, or say in the result file that nothing was."""
    try:
        return Report.load(TARGET, folder)
    except FileNotFoundError:
        report = Report(options={"measured": f"nothing, since {reason}"}, rows=unmeasured_rows(plan.levels))
        report.save(TARGET, folder)
        return report


def _is_stored(store: ModelStore, resolve: Callable[[str], Model], name: str) -> bool:
    try:
        store.require(resolve(name))
    except StoreError:
        return False
    return True


def _described(plan: Plan, models: Models, sounds: Sequence[Sound], file_format: Format) -> dict[str, Value]:
    settings = models.settings
    lengths = [sound.seconds for sound in sounds]
    return {
        "weights": models.work,
        **described(settings),
        "whisper": Path(settings.whisper.model).name,
        "profile": plan.profile,
        "pipeline": settings.diarization.pipeline,
        "precision": settings.diarization.precision,
        "beam_size": DECODING["beam_size"],
        "recordings": f"{min(lengths):.0f} to {max(lengths):.0f} s, {file_format.value}",
    }


def main(
    at_once: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Recordings that the service has at once; may be repeated."),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(help="Folder to keep a network of random weights in; a temporary one by default."),
    ] = None,
    tokens: Annotated[
        int, typer.Option(min=4, max=224, help="Tokens that random weights write for each window.")
    ] = TOKENS,
    random: Annotated[
        bool, typer.Option("--random", help="Use random weights even if there are trained ones.")
    ] = False,
    file_format: Annotated[Format, typer.Option("--format", help="Format of the recordings.")] = Format.FLAC,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Go through all of it on a CPU, and write no result file.")
    ] = False,
) -> None:
    """Measure the service on one GPU, against pyannote.audio and faster-whisper in this process."""
    plan = DRY if dry_run else FULL
    plan = replace(plan, levels=tuple(at_once or plan.levels))
    try:
        gpu = None if dry_run else Gpu(Settings(profile=plan.profile).whisper.gpus[0])
    except NoGpu as error:
        report = without_gpu(plan, "there is no GPU", RESULTS)
        show(report, TARGET)
        Console(stderr=True, soft_wrap=True).print(f"nothing was measured: {error}")
        return
    folder = (models or Path(gettempdir(), "triologue-models")).resolve()
    chosen = models_of(plan, folder, tokens, trained=not (dry_run or random))
    sounds = recordings(plan.seconds, file_format)
    report = Report(options=_described(plan, chosen, sounds, file_format), rows=[])
    loads = measure(plan, chosen, sounds, gpu, report)
    report.rows = [{"work": chosen.work, **load.row()} for load in loads]
    if dry_run:
        show(report, "a dry run, of a tiny network on a CPU")
        return
    report.goals = goals(loads)
    path = report.save(TARGET)
    show(report, f"{TARGET}, {path}")


if __name__ == "__main__":
    typer.run(main)
