"""Recordings of a data folder, with what is said in them and by whom where somebody has written it down.

A data folder, or folders in it, hold a `manifest.jsonl` with a line for each recording, such as

    {"audio": "meeting.wav", "language": "en", "stm": "meeting.stm", "rttm": "meeting.rttm", "speakers": 3}

Paths are relative to the manifest's folder. What is said is in `stm` or `ctm` (files of NIST's formats) or in
`text` (the words themselves), or in none of them. Who speaks when is in `rttm` (NIST's too), and how many do
is in `speakers`. `tuning` says whether something of the service was tuned on the recording. Further keys are
of no concern here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.spoken import Spoken, read_ctm, read_stm, text_of


@dataclass(frozen=True)
class Recording:
    """A recording to transcribe or to diarize."""

    name: str
    """Its folder and file."""
    path: Path
    """Where it is."""
    language: str | None = None
    """Language code, if it is known."""
    text: str | None = None
    """What is said, where the manifest itself says it."""
    spoken: Sequence[Spoken] | None = None
    """What is said and by whom, if it is known."""
    rttm: Path | None = None
    """File that says who speaks when, if it is known."""
    speakers: int | None = None
    """Number of people who speak, if it is known."""
    tuning: bool | None = None
    """Whether something of the service was tuned on it, if the manifest says so."""

    @property
    def reference(self) -> str | None:
        """What is said, if it is known."""
        return self.text if self.spoken is None else text_of(self.spoken)


def recordings(folder: Path) -> Iterator[Recording]:
    """Yield the recordings of a data folder.

    Raises:
        FileNotFoundError: There is no manifest in it, or what one names is not there.
        ValueError: What is said in one cannot be read.
    """
    manifests = sorted(folder.rglob("manifest.jsonl"))
    if not manifests:
        raise FileNotFoundError(f"{folder} holds no manifest.jsonl")
    for manifest in manifests:
        for line in manifest.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield _recording(manifest.parent, json.loads(line))


def _recording(folder: Path, entry: Mapping[str, Any]) -> Recording:
    return Recording(
        name=f"{folder.name}/{entry['audio']}",
        path=folder / entry["audio"],
        language=entry.get("language"),
        text=entry.get("text"),
        spoken=_spoken(folder, entry),
        rttm=folder / entry["rttm"] if "rttm" in entry else None,
        speakers=entry.get("speakers"),
        tuning=entry.get("tuning"),
    )


def _spoken(folder: Path, entry: Mapping[str, Any]) -> list[Spoken] | None:
    for kind, read in (("stm", read_stm), ("ctm", read_ctm)):
        if kind in entry:
            return read(folder / entry[kind])
    return None
