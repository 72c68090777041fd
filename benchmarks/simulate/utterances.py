"""Utterances of single speakers, and where in them there is speech.

Each folder that holds audio files, at any depth, is a speaker of that name. What is said may be written in
`*.jsonl` files next to the whole or in it, with a line for each file, relative to their own folder:

    {"audio": "utterances/anna/1.wav", "speaker": "anna", "text": "Good morning.", "language": "en"}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.simulate.activity import Span, speech_in
from benchmarks.speech import Samples
from triologue_server.audio import SAMPLE_RATE, decode_audio

_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
_MAX_SECONDS = 600.0
_MARGIN = SAMPLE_RATE // 20  # of sound too weak to count, without which words begin and end clipped


@dataclass(frozen=True, eq=False)
class Utterance:
    """What one speaker says without a break."""

    speaker: str
    """Who."""
    samples: Samples
    """How it sounds, with a moment before and after its speech."""
    speech: tuple[Span, ...]
    """Where in the samples there is speech; the pauses between are longer than half a second."""
    text: str | None = None
    """The words, if they are known."""
    language: str | None = None
    """Language code, if it is known."""

    @classmethod
    def of(
        cls, speaker: str, samples: Samples, text: str | None = None, language: str | None = None
    ) -> "Utterance":
        """Find the speech of a clean recording, and leave out the silence around it.

        Raises:
            ValueError: There is no speech in it.
        """
        speech = speech_in(samples)
        if not speech:
            raise ValueError(f"a recording of {speaker} holds no speech")
        before = max(0, speech[0][0] - _MARGIN)
        return cls(
            speaker=speaker,
            samples=samples[before : speech[-1][1] + _MARGIN],
            speech=tuple((start - before, end - before) for start, end in speech),
            text=text,
            language=language,
        )

    @property
    def span(self) -> Span:
        """From the first speech to the last."""
        return self.speech[0][0], self.speech[-1][1]

    @property
    def length(self) -> int:
        """Samples from the first speech to the last."""
        start, end = self.span
        return end - start

    def cut(self, at: int, length: int) -> "Utterance":
        """Cut a piece out of one stretch of speech: from its beginning, so many samples at most.

        Nobody knows which of the words are in it.
        """
        start, end = self.speech[at]
        length = min(length, end - start)
        before = max(0, start - _MARGIN)
        samples = self.samples[before : start + length]
        return replace(self, samples=samples, speech=((start - before, len(samples)),), text=None)


def load(folder: Path) -> list[Utterance]:
    """Return the utterances of a folder, in order of their paths.

    Raises:
        FileNotFoundError: It holds no audio files.
        ValueError: There is no speech in one.
    """
    folder = folder.resolve()
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"{folder} holds no audio files")
    written = _written(folder)
    return [_utterance(path, written.get(path.resolve(), {})) for path in paths]


def _written(folder: Path) -> dict[Path, Mapping[str, Any]]:
    """Return what is written about the audio files, by their path."""
    found = {}
    for lines in sorted([*folder.parent.glob("*.jsonl"), *folder.rglob("*.jsonl")]):
        for line in lines.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line) if line.strip() else {}
            if "audio" in entry:
                found[(lines.parent / entry["audio"]).resolve()] = entry
    return found


def _utterance(path: Path, entry: Mapping[str, Any]) -> Utterance:
    samples = decode_audio(path.read_bytes(), _MAX_SECONDS).samples
    speaker = entry.get("speaker") or path.parent.name
    try:
        return Utterance.of(speaker, samples, entry.get("text"), entry.get("language"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
