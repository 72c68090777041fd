"""What the service takes for recordings of growing length: time, computing and memory of its processes.

    python -m benchmarks.long --hours 1 --hours 8

makes conversations of these lengths out of pyannote.audio's sample;

    python -m benchmarks.long --data FOLDER

goes through the recordings of a data folder, which `benchmarks/recordings.py` describes.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.encoded import seconds_of, write_audio
from benchmarks.processes import MemoryWatch, cpu_seconds, descendants, memory_mb, shared_memory_mb
from benchmarks.recordings import Recording, recordings
from benchmarks.report import Goal, Report, Row, Value, show
from benchmarks.service import service, settings_for, triton_version
from benchmarks.speech import long_conversation, sample, wav
from benchmarks.turns import Diarized, annotation, read_rttm, score
from triologue import Client, DiarizationResult, DiarizedTranscriptionResult, TriologueError
from triologue_server.settings import Settings

TARGET = "bench-long"

HOURS = (1 / 6, 1.0, 3.0)
"""Lengths of the conversations."""

MOST_APART = 0.10
"""By how much an hour of one recording may cost more than one of another."""
MOST_MEMORY = 250.0
"""Megabytes that the service may take for each further hour of a recording."""
ENOUGH_HOURS = 0.5
"""By how much longer than the shortest a recording must be for its memory to be judged."""

_WARM_UP_S = 120.0  # of audio: enough for every thread of every network
_TIMEOUT_S = 48 * 3600.0
_REST_S = 2.0  # in which memory that is not needed any more goes back


class Pipeline(str, Enum):
    """What is asked of the service."""

    DIARIZATION = "diarization"
    DIARIZED_ASR = "diarized_asr"


@dataclass(frozen=True)
class Taken:
    """What one recording took."""

    recording: Recording
    hours: float
    """Its length."""
    wall: float
    """Seconds from the upload to the answer."""
    cpu: float
    """CPU seconds of all processes of the server."""
    growth_mb: float
    """Memory of all of them at most, above that before the request; in megabytes, as the next three."""
    left_mb: float
    """How much of it is still taken afterwards."""
    shared_before_mb: float
    """Shared memory of the machine before the request."""
    shared_after_mb: float
    """The same afterwards."""
    speakers: int
    """How many were found."""
    of: int | None = None
    """How many there are, where that is known."""
    der: float | None = None
    """Diarization error rate in percent, where the turns are known."""

    @property
    def wall_of_an_hour(self) -> float:
        """Seconds for an hour of audio."""
        return self.wall / self.hours

    def mb_of_a_further_hour(self, shortest: "Taken") -> float:
        """Megabytes for each hour that it is longer than another; the networks need the same for any."""
        return (self.growth_mb - shortest.growth_mb) / (self.hours - shortest.hours)

    def row(self) -> Row:
        """Return a line of the table, without what is not known."""
        known: Row = {
            "recording": self.recording.name,
            "hours": self.hours,
            "wall_s/h": self.wall_of_an_hour,
            "cpu_s/h": self.cpu / self.hours,
            "RTFx": 3600 * self.hours / self.wall,
            "memory_MB": self.growth_mb,
            "left_MB": self.left_mb,
            "shm_before_MB": self.shared_before_mb,
            "shm_after_MB": self.shared_after_mb,
            "DER_%": self.der,
            "speakers": self.speakers,
            "of": self.of,
        }
        return {name: value for name, value in known.items() if value is not None}


def take(recording: Recording, client: Client, pipeline: Pipeline) -> Taken:
    """Send a recording through the only server that this process has started.

    Raises:
        TriologueError: The service refuses it.
    """
    audio = recording.path.read_bytes()
    shared = shared_memory_mb()
    server = descendants()
    computed = cpu_seconds(server)
    with MemoryWatch(server) as watch:
        started = time.perf_counter()
        answer = _ask(client, pipeline, audio)
        wall = time.perf_counter() - started
    computed = cpu_seconds(server) - computed
    time.sleep(_REST_S)
    seconds = answer.audio.duration
    found = annotation(answer.turns)
    reference = read_rttm(recording.rttm) if recording.rttm else None
    return Taken(
        recording,
        hours=seconds / 3600,
        wall=wall,
        cpu=computed,
        growth_mb=watch.growth_mb,
        left_mb=memory_mb(server) - watch.before_mb,
        shared_before_mb=shared,
        shared_after_mb=shared_memory_mb(),
        speakers=len(found.labels()),
        of=recording.speakers or (len(reference.labels()) if reference else None),
        der=score([Diarized(reference, found, seconds)]).der if reference else None,
    )


def _ask(client: Client, pipeline: Pipeline, audio: bytes) -> DiarizationResult | DiarizedTranscriptionResult:
    return client.diarize(audio) if pipeline is Pipeline.DIARIZATION else client.transcribe_diarized(audio)


def goals(taken: Sequence[Taken]) -> list[Goal]:
    """Return what should have been found."""
    found = []
    if len(taken) > 1:
        costs = [one.wall_of_an_hour for one in taken]
        found.append(
            Goal(
                name="seconds for an hour of audio, most / least - 1",
                value=max(costs) / min(costs) - 1,
                bound="at most",
                goal=MOST_APART,
            )
        )
    shortest = min(taken, key=lambda one: one.hours, default=None)
    return found + [
        Goal(
            name=f"memory for a further hour, MB: {one.recording.name}, {one.hours:.2f} h",
            value=one.mb_of_a_further_hour(shortest),
            bound="at most",
            goal=MOST_MEMORY,
        )
        for one in taken
        if shortest and one.hours >= shortest.hours + ENOUGH_HOURS
    ]


def conversations(hours: Iterable[float], folder: Path) -> list[Recording]:
    """Write conversations of such lengths into a folder."""
    made, pieces = [], sample()
    for number, length in enumerate(hours):
        path = folder / f"{number}.opus"
        write_audio(long_conversation(pieces, length * 3600), path)
        made.append(Recording("conversation", path, "en", speakers=2))
    return made


def taking(settings: Settings, found: Iterable[Recording]) -> Settings:
    """Return settings that refuse none of the recordings for its size or length."""
    limits = settings.limits
    sizes = [recording.path.stat().st_size for recording in found]
    # A decoder may find a little more than a file says.
    hours = [1.01 * seconds_of(recording.path) / 3600 for recording in found]
    changes = {
        "upload_mb": max(limits.upload_mb, 1 + max(sizes, default=0) // 1_000_000),
        "audio_hours": max(limits.audio_hours, *hours),
    }
    return settings.model_copy(update={"limits": limits.model_copy(update=changes)})


def _described(settings: Settings, pipeline: Pipeline) -> dict[str, Value]:
    options: dict[str, Value] = {
        "model": pipeline.value,
        "pipeline": settings.diarization.pipeline,
        "device": settings.diarization.device,
        "threads": settings.diarization.threads,
        "spans_in_flight": settings.limits.spans_in_flight,
    }
    if pipeline is Pipeline.DIARIZED_ASR:
        options["whisper"] = settings.whisper.model
    return options


def main(
    hours: Annotated[
        list[float] | None, typer.Option(min=0.01, help="Length of a conversation; may be repeated.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="Folders with recordings, instead of conversations."),
    ] = None,
    pipeline: Annotated[Pipeline, typer.Option(help="What is asked of the service.")] = Pipeline.DIARIZED_ASR,
) -> None:
    """Measure what recordings of growing length take, by a server that is started for it."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    with TemporaryDirectory(prefix="triologue-") as folder:
        if data:
            found = [recording for one in data for recording in recordings(one)]
        else:
            progress.print("making conversations")
            found = conversations(hours or HOURS, Path(folder))
        found.sort(key=lambda recording: seconds_of(recording.path))
        settings = taking(settings_for(None), found)
        report = Report(options=_described(settings, pipeline), rows=[])
        taken = []
        with (
            service(settings, None, progress) as address,
            Client(address, timeout_s=_TIMEOUT_S) as client,
        ):
            report.versions |= triton_version(address)
            # Unwatched: what any request needs is loaded, and the networks' memory is taken.
            _ask(client, pipeline, wav(long_conversation(sample(), _WARM_UP_S)))
            for recording in found:
                try:
                    taken.append(take(recording, client, pipeline))
                except TriologueError as error:
                    progress.print(f"{recording.name} is left out: {error}")
                    continue
                progress.print(f"{recording.name}, {taken[-1].hours:.2f} h: {taken[-1].wall:.2f} s")
    report.rows = [one.row() for one in taken]
    report.goals = goals(taken)
    path = report.save(TARGET)
    show(report, f"bench-long, {path}")


if __name__ == "__main__":
    typer.run(main)
