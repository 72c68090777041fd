"""How near the service's transcripts are to faster-whisper's, and to what was said.

    python -m benchmarks.conformance --data FOLDER

goes through pyannote.audio's sample conversation and the recordings of data folders, which
`benchmarks/recordings.py` describes, or of those in `TRIOLOGUE_DATA`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from faster_whisper.transcribe import Segment
from rich.console import Console

from benchmarks.peers import Peers
from benchmarks.recordings import Recording, recordings
from benchmarks.report import Goal, Report, Row, show
from benchmarks.service import Url, WhisperName, described, service, settings_for, triton_version
from benchmarks.speech import sample_path
from benchmarks.words import Apart, Errors, Timed, apart, errors, unit_of, words_of
from triologue import Client, TranscriptionResult, TriologueError
from triologue_server.store import ModelStore

TARGET = "conformance"

OPTIONS: dict[str, Any] = {"temperature": 0.0, "vad_filter": True}
"""What every transcript is made with; sequential ones have their words timed too."""


@dataclass(frozen=True)
class Compared:
    """One recording, transcribed by everybody."""

    recording: Recording
    sequential: Errors
    """Of the service's sequential transcript, WhisperModel's taken for the truth."""
    apart: Apart | None
    """Between the words of these two."""
    batched: Errors | None = None
    """Of the service's batched transcript, where the truth is known; the same below."""
    pipeline: Errors | None = None
    """Of BatchedInferencePipeline's."""
    model: Errors | None = None
    """Of WhisperModel's."""


def compare(recording: Recording, client: Client, peers: Peers) -> Compared:
    """Transcribe a recording in both modes by the service and by faster-whisper.

    Raises:
        TriologueError: The service refuses the recording.
    """
    audio = recording.path.read_bytes()
    language = recording.language
    options = OPTIONS | {"language": language}
    sequential = client.transcribe(audio, mode="sequential", word_timestamps=True, **options)
    model = peers.transcribe(audio, word_timestamps=True, **options)
    model_words = words_of(_text(model), language)
    compared = Compared(
        recording,
        errors(model_words, words_of(sequential.text, language)),
        apart(_timed(sequential), _timed_by_peer(model), language),
    )
    if recording.reference is None:
        return compared
    truth = words_of(recording.reference, language)
    batched = client.transcribe(audio, mode="batched", **options).text
    pipeline = _text(peers.transcribe_batched(audio, **options))
    return Compared(
        recording,
        compared.sequential,
        compared.apart,
        errors(truth, words_of(batched, language)),
        errors(truth, words_of(pipeline, language)),
        errors(truth, model_words),
    )


def _text(segments: Sequence[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def _timed(result: TranscriptionResult) -> list[Timed]:
    words = (word for segment in result.segments for word in segment.words)
    return [(word.word, word.time_interval.start, word.time_interval.end) for word in words]


def _timed_by_peer(segments: Sequence[Segment]) -> list[Timed]:
    return [(word.word, word.start, word.end) for segment in segments for word in segment.words or ()]


def row(compared: Compared) -> Row:
    """Return a line of the table."""
    times = compared.apart
    return {
        "recording": compared.recording.name,
        "language": compared.recording.language,
        "sequential_%": compared.sequential.percent,
        "apart_s": times.median if times else None,
        "most_s": times.most if times else None,
        **_rates(compared.batched, compared.pipeline, compared.model),
        "unit": unit_of(compared.recording.language),
    }


def _rates(batched: Errors | None, pipeline: Errors | None, model: Errors | None) -> Row:
    return {
        "batched_%": _percent(batched),
        "pipeline_%": _percent(pipeline),
        "WhisperModel_%": _percent(model),
        "of": batched.of if batched else None,
    }


def _percent(errors: Errors | None) -> float | None:
    return errors.percent if errors else None


@dataclass(frozen=True)
class Total:
    """The errors of all recordings of a unit, or of a language, whose words are known."""

    name: str
    batched: Errors
    pipeline: Errors
    model: Errors

    @classmethod
    def of(cls, name: str, every: Iterable[Compared]) -> "Total":
        """Add them up."""
        known = [compared for compared in every if compared.recording.reference is not None]
        return cls(
            name,
            sum((compared.batched or Errors() for compared in known), Errors()),
            sum((compared.pipeline or Errors() for compared in known), Errors()),
            sum((compared.model or Errors() for compared in known), Errors()),
        )

    @property
    def row(self) -> Row:
        """A line of the table."""
        return {"recording": self.name, **_rates(self.batched, self.pipeline, self.model)}


def totals(every: Sequence[Compared]) -> list[Total]:
    """Return the sums for words and for characters; what nobody has written down has no part in them."""
    found = [
        Total.of(f"all {unit}", [one for one in every if unit_of(one.recording.language) == unit])
        for unit in ("words", "characters")
    ]
    return [total for total in found if total.batched.of]


def goals(every: Sequence[Compared]) -> list[Goal]:
    """Return what should have been found."""
    farthest = max(every, key=lambda one: one.sequential.percent)
    found = [
        _at_most(
            f"sequential against WhisperModel, %: {farthest.recording.name}",
            farthest.sequential.percent,
            1.0,
        )
    ]
    timed = [(one.apart.median, one.recording.name) for one in every if one.apart]
    if timed:
        seconds, name = max(timed)
        found.append(_at_most(f"times of its words apart, median, s: {name}", seconds, 0.1))
    return found + [
        _at_most(
            f"batched against BatchedInferencePipeline, wrong %: {total.name}",
            total.batched.percent,
            total.pipeline.percent,
        )
        for total in totals(every)
    ]


def _at_most(name: str, value: float, goal: float) -> Goal:
    return Goal(name=name, value=value, bound="at most", goal=goal)


def compare_all(found: Iterable[Recording], client: Client, peers: Peers, console: Console) -> list[Compared]:
    """Compare every recording but those that the service refuses, which are told."""
    every = []
    for recording in found:
        try:
            every.append(compare(recording, client, peers))
            console.print(recording.name)
        except TriologueError as error:
            console.print(f"{recording.name} is left out: {error}")
    return every


def main(
    data: Annotated[
        list[Path] | None,
        typer.Option(envvar="TRIOLOGUE_DATA", exists=True, file_okay=False, help="Folder with recordings."),
    ] = None,
    whisper: WhisperName = None,
    url: Url = None,
) -> None:
    """Compare the service's transcripts with faster-whisper's, and with what was said."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    settings = settings_for(whisper)
    found = [Recording("sample", sample_path(), "en")]
    found += [recording for folder in data or () for recording in recordings(folder)]
    report = Report(options={**described(settings), **OPTIONS}, rows=[])
    with service(settings, url, progress) as address, Client(address) as client:
        report.versions |= triton_version(address)
        every = compare_all(found, client, Peers(settings.whisper, ModelStore(settings.models)), progress)
    report.rows = [*map(row, every), *(total.row for total in totals(every))]
    report.goals = goals(every)
    path = report.save(TARGET)
    show(report, f"conformance, {path}")


if __name__ == "__main__":
    typer.run(main)
