"""Recordings of a data folder, with what is said in them and by whom where somebody has written it down.

A data folder, or folders in it, hold a `manifest.jsonl` with a line for each recording, such as

    {"audio": "meeting.wav", "language": "en", "stm": "meeting.stm", "rttm": "meeting.rttm", "speakers": 3}

Paths are relative to the manifest's folder. What is said is in `stm` or `ctm` (files of NIST's formats) or in
`text` (the words themselves), or in none of them. Who speaks when is in `rttm` (NIST's too), and how many do
is in `speakers`. `tuning` says whether something of the service was tuned on the recording. Further keys are
of no concern here.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Recording:
    """A recording to transcribe or to diarize."""

    name: str
    """Its folder and file."""
    path: Path
    """Where it is."""
    language: str | None = None
    """Language code, if it is known."""
    reference: str | None = None
    """What is said, if it is known."""
    rttm: Path | None = None
    """File that says who speaks when, if it is known."""
    speakers: int | None = None
    """Number of people who speak, if it is known."""
    tuning: bool | None = None
    """Whether something of the service was tuned on it, if the manifest says so."""


def recordings(folder: Path) -> Iterator[Recording]:
    """Yield the recordings of a data folder.

    Raises:
        FileNotFoundError: There is no manifest in it, or what one names is not there.
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
        reference=_reference(folder, entry),
        rttm=folder / entry["rttm"] if "rttm" in entry else None,
        speakers=entry.get("speakers"),
        tuning=entry.get("tuning"),
    )


def _reference(folder: Path, entry: Mapping[str, Any]) -> str | None:
    for kind, read in (("stm", stm_text), ("ctm", ctm_text)):
        if kind in entry:
            return read((folder / entry[kind]).read_text(encoding="utf-8"))
    return entry.get("text")


def stm_text(stm: str) -> str:
    """Return the words of an STM file in order of time: `file channel speaker start end [<label>] words`."""
    lines = sorted(_fields(stm), key=lambda fields: float(fields[3]))
    said = [fields[6:] if fields[5:6] and fields[5].startswith("<") else fields[5:] for fields in lines]
    return " ".join(word for words in said for word in words)


def ctm_text(ctm: str) -> str:
    """Return the words of a CTM file in order of time: `file channel start duration word [confidence]`."""
    return " ".join(fields[4] for fields in sorted(_fields(ctm), key=lambda fields: float(fields[2])))


def _fields(text: str) -> list[list[str]]:
    lines = map(str.strip, text.splitlines())
    return [line.split() for line in lines if line and not line.startswith(";;")]
