"""What becomes of a transcript, depending on where a recording is cut for Whisper.

    python -m benchmarks.cuts FOLDER

goes through the recordings of data folders whose words people wrote down, which `benchmarks/recordings.py`
describes. Speakers are those of one diarization, and words are given to them by time, so that nothing but the
cuts differs.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.accuracy.cases import NumSpeakers, cases
from benchmarks.accuracy.found import Contender, Found
from benchmarks.accuracy.groups import Group
from benchmarks.accuracy.judging import Judged, judge_all
from benchmarks.recordings import recordings
from benchmarks.report import Report, Row, show
from benchmarks.service import Url, WhisperName, described, service, settings_for, triton_version
from benchmarks.spoken import spoken_by
from benchmarks.turns import annotation
from triologue import AsrSegment, Client, DiarizedTranscriptionResult
from triologue.merge import attribute, join_touching_turns

TARGET = "cuts"

_PAUSE_S = 1.0  # a speaker who pauses for less goes on
_ROOM_S = 0.25  # that is left before and after a turn
_SHORTEST_S = 0.25  # of a turn that is transcribed

Written = Callable[[bytes, DiarizedTranscriptionResult], list[AsrSegment]]
"""Transcribes an encoded file, of which the speakers are known."""


def ways(client: Client) -> Mapping[str, Written]:
    """Return the ways to cut a recording, by name; the first is the service's for diarized transcripts."""

    def by(**options: Any) -> Written:
        return lambda audio, found: client.transcribe(audio, word_timestamps=True, **options).segments

    def at_speaker_changes(audio: bytes, found: DiarizedTranscriptionResult) -> list[AsrSegment]:
        return client.transcribe(
            audio,
            language=found.transcription_info.language,
            clip_timestamps=turn_bounds(found),
            word_timestamps=True,
        ).segments

    return {
        "segmentation network": lambda audio, found: found.segments,
        "Silero": by(),
        "at speaker changes": at_speaker_changes,
        "every 30 s": by(vad_filter=False),
        "sliding window, Silero": by(mode="sequential"),
    }


def turn_bounds(found: DiarizedTranscriptionResult) -> tuple[float, ...]:
    """Return starts and ends of the turns of one speaker after the other, in seconds; they rise."""
    bounds: list[float] = []
    for turn in join_touching_turns(found.exclusive_turns, _PAUSE_S):
        interval = turn.time_interval
        start = max(interval.start - _ROOM_S, bounds[-1] + 0.01 if bounds else 0.0)
        end = min(interval.end + _ROOM_S, found.audio.duration - 0.01)
        if end - start > _SHORTEST_S:
            bounds += [round(start, 3), round(end, 3)]
    return tuple(bounds)


def contenders(client: Client) -> dict[str, Contender]:
    """Return who transcribes, by the way recordings are cut."""

    @lru_cache(maxsize=1)
    def diarized(audio: bytes) -> DiarizedTranscriptionResult:
        return client.transcribe_diarized(audio)

    def contender(write: Written) -> Contender:
        def work(audio: bytes, _: object) -> Found:
            found = diarized(audio)
            segments = attribute(write(audio, found), found.turns, found.exclusive_turns)
            return Found(annotation(found.turns), spoken_by(segments))

        return work

    return {name: contender(write) for name, write in ways(client).items()}


def row(judged: list[Judged], name: str) -> Row:
    """Return the line of one way to cut, over all recordings."""
    words = Group.total("all", judged).words(name)
    if words is None:
        raise ValueError("of no recording the words are known")
    return {
        "cut": name,
        "WER_%": words.words.percent,
        "cpWER_%": words.attributed.percent,
        "WDER_%": words.confused.percent,
        "words": words.words.of,
        "recordings": len(judged),
    }


def main(
    data: Annotated[
        list[Path],
        typer.Argument(
            envvar="TRIOLOGUE_DATA", exists=True, file_okay=False, help="Folders with recordings."
        ),
    ],
    whisper: WhisperName = None,
    url: Url = None,
) -> None:
    """Compare ways to cut recordings for Whisper."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True)
    settings = settings_for(whisper)
    found = [recording for folder in data for recording in recordings(folder) if recording.spoken is not None]
    report = Report(options=described(settings), rows=[])
    with service(settings, url, progress) as address, Client(address) as client:
        report.versions |= triton_version(address)
        every = contenders(client)
        judged = judge_all(cases(found, words=True), every, NumSpeakers.NONE, progress)
    report.rows = [row(judged, name) for name in every]
    path = report.save(TARGET)
    show(report, f"cuts, {path}")


if __name__ == "__main__":
    typer.run(main)
