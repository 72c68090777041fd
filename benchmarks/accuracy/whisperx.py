"""WhisperX in this process, where it is installed.

It transcribes and aligns with its own defaults, but for the Whisper model and its number format. The turns
that it gives words to are those of pyannote.audio's pipeline with the service's weights: its own diarization
is that pipeline too, whose weights need an account. It wants NumPy 2, which the embedded Triton does not work
with, so it belongs in an environment of its own, with the `--url` of a server that runs in another.
"""

import math
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from benchmarks.accuracy.found import Found
from benchmarks.pipeline import PyannotePipeline
from benchmarks.spoken import NOBODY, Spoken
from triologue.keywords import DiarizationKeywords
from triologue_server.audio import decode_audio, to_float
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper

_BATCH = 8  # as of faster-whisper's batched pipeline


class WhisperX:
    """WhisperX (Bain et al., arXiv 2303.00747). It fetches a model to align words for each language it meets.

    Args:
        settings: Of the service: same Whisper model, device, number format and number of CPU threads.
        threads: CPU threads of pyannote.audio's pipeline.

    Raises:
        ImportError: It is not installed.
        StoreError: Weights are not in the model store.
    """

    def __init__(self, settings: Settings, threads: int) -> None:
        whisper = settings.whisper
        self._whisperx: Any = import_module("whisperx")
        self._pandas: Any = import_module("pandas")
        self._device = whisper.device
        self._model = self._whisperx.load_model(
            str(ModelStore(settings.models).require(resolve_whisper(whisper.model))),
            whisper.device,
            compute_type=whisper.compute_type.value,
            threads=whisper.threads,
        )
        self._aligners: dict[str, Any] = {}
        self._pipeline = PyannotePipeline(settings, threads)

    def __call__(self, audio: bytes, options: DiarizationKeywords) -> Found:
        """Write down who says what in an encoded file.

        Raises:
            TriologueError: It cannot be decoded.
            ValueError: There is no model to align words of its language.
        """
        samples = to_float(decode_audio(audio, math.inf).samples)
        heard = self._model.transcribe(samples, batch_size=_BATCH)
        aligner = self._aligner(heard["language"])
        aligned = self._whisperx.align(heard["segments"], *aligner, samples, self._device)
        turns = self._pipeline.diarize(audio, options)
        table = self._pandas.DataFrame(
            [(turn.start, turn.end, speaker) for turn, _, speaker in turns.itertracks(yield_label=True)],
            columns=["start", "end", "speaker"],
        )
        return Found(turns, spoken_of(self._whisperx.assign_word_speakers(table, aligned)["segments"]))

    def _aligner(self, language: str) -> Any:
        if language not in self._aligners:
            self._aligners[language] = self._whisperx.load_align_model(language, self._device)
        return self._aligners[language]


def spoken_of(segments: Iterable[dict[str, Any]]) -> list[Spoken]:
    """Return who says what in segments of WhisperX's: each word its speaker, or that of its segment.

    A word that could not be aligned begins with the one before it; a segment that could not be is one word.
    """
    spoken = []
    for segment in segments:
        start = segment["start"]
        for word in segment["words"] or [{"word": segment["text"]}]:
            start = word.get("start", start)
            speaker = word.get("speaker") or segment.get("speaker") or NOBODY
            spoken.append(Spoken(speaker, start, word.get("end", start), word["word"]))
    return spoken
