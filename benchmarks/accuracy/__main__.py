"""How well the service says who says what and when, against others with the same models: `make accuracy`.

    python -m benchmarks.accuracy FOLDER

goes through the recordings of data folders whose turns or words people wrote down, which
`benchmarks/recordings.py` describes, or of those in `TRIOLOGUE_DATA`; and through pyannote.audio's sample
conversation. With `--no-words` nothing is transcribed, and turns alone are scored.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.accuracy.cases import NumSpeakers, cases
from benchmarks.accuracy.contenders import SERVICE, THREADS, contenders, names, peer_of
from benchmarks.accuracy.groups import goals, groups, rows, without_empty
from benchmarks.accuracy.judging import judge_all
from benchmarks.machine import versions_of
from benchmarks.pipeline import device_of
from benchmarks.recordings import Recording, recordings
from benchmarks.report import Report, Value, show
from benchmarks.service import Url, WhisperName, service, settings_for, triton_version
from benchmarks.speech import sample_path
from triologue import Client
from triologue_server.settings import Settings

TARGET = "accuracy"

_PACKAGES = ("pyannote.metrics", "jiwer", "whisper-normalizer", "whisperx")


def _described(settings: Settings, words: bool, told: NumSpeakers) -> dict[str, Value]:
    whisper, diarization = settings.whisper, settings.diarization
    transcribed: dict[str, Value] = {
        "whisper": whisper.model,
        "whisper_device": whisper.device,
        "compute_type": whisper.compute_type.value,
    }
    return {
        **(transcribed if words else {}),
        "pipeline": diarization.pipeline,
        "device": str(device_of(diarization)),
        "threads": THREADS,
        "collar": 0.0,
        "overlap": "scored",
        "num_speakers": told.value,
    }


def _chosen(contender: list[str] | None, words: bool) -> list[str]:
    known = names(words)
    for name in contender or ():
        if name not in known:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(map(repr, known))}")
    return [name for name in known if not contender or name in contender]


def main(
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            envvar="TRIOLOGUE_DATA", exists=True, file_okay=False, help="Folders with recordings."
        ),
    ] = None,
    words: Annotated[bool, typer.Option(help="Transcribe too, or find turns alone, which is faster.")] = True,
    contender: Annotated[
        list[str] | None, typer.Option(help="Run this one, and no other that is not named; all by default.")
    ] = None,
    num_speakers: Annotated[
        NumSpeakers, typer.Option(help="Tell every contender how many speakers there are, or do not.")
    ] = NumSpeakers.NONE,
    whisper: WhisperName = None,
    url: Url = None,
) -> None:
    """Score diarized transcripts and speaker turns, the service's and those of others, against people's."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    settings = settings_for(whisper)
    chosen = _chosen(contender, words)
    sample = Recording("sample", sample_path(), "en", rttm=sample_path().with_suffix(".rttm"), speakers=2)
    # The sample comes last: a copy of it in a folder may be known better.
    found = [*(recording for folder in data or () for recording in recordings(folder)), sample]
    every = cases(found, words)
    report = Report(options=_described(settings, words, num_speakers), rows=[])
    report.versions |= versions_of(_PACKAGES)
    with service(settings, url, progress) as address, Client(address) as client:
        report.versions |= triton_version(address)
        ready = contenders(chosen, words, client, settings)
        # Untimed, since what is used first is loaded then.
        for work in ready.values():
            work(sample.path.read_bytes(), {})
        scored = groups(judge_all(every, ready, num_speakers, progress))
    report.rows = without_empty([row for group in scored for row in rows(group, chosen)])
    peer = peer_of(words)
    if {SERVICE, peer} <= set(chosen):
        report.goals = [goal for group in scored for goal in goals(group, peer)]
    path = report.save(TARGET)
    show(report, f"accuracy, {path}")


if __name__ == "__main__":
    typer.run(main)
