"""Who is compared: the service, and what others put together by hand out of the same models.

All start from the file and with default options, so all detect the language.
"""

import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from benchmarks.accuracy.found import Contender, Found
from benchmarks.accuracy.whisperx import WhisperX
from benchmarks.peers import Peers, asr_segments
from benchmarks.pipeline import PyannotePipeline
from benchmarks.spoken import spoken_by
from benchmarks.turns import annotation, turns_of
from triologue import Client, PostProcessingForDiarizedAsr
from triologue.keywords import DiarizationKeywords, DiarizedAsrKeywords
from triologue_server.settings import Settings
from triologue_server.store import ModelStore

SERVICE = "service"
OPTIONS: Mapping[str, DiarizedAsrKeywords] = {
    SERVICE: {},
    f"{SERVICE}, attribution=word": {"attribution": "word"},
    f"{SERVICE}, attribution=sentence": {"attribution": "sentence"},
}
"""What the service is asked for transcripts with, by contender."""

PEER = "faster-whisper + pyannote"
PIPELINE = "pyannote pipeline"
WHISPERX = "WhisperX"

THREADS = len(os.sched_getaffinity(0))
"""CPU threads of pyannote.audio's pipeline."""


def names(words: bool) -> list[str]:
    """Return the contenders that there are for transcripts, or for turns alone; the first is the service."""
    if not words:
        return [SERVICE, PIPELINE]
    return [*OPTIONS, PEER, *([WHISPERX] if find_spec("whisperx") else [])]


def peer_of(words: bool) -> str:
    """Return whom the service should surpass."""
    return PEER if words else PIPELINE


def contenders(
    chosen: Iterable[str], words: bool, client: Client, settings: Settings
) -> dict[str, Contender]:
    """Make contenders ready, by their names.

    Raises:
        StoreError: Weights of theirs are not in the model store.
    """
    return {name: _contender(name, words, client, settings) for name in chosen}


def _contender(name: str, words: bool, client: Client, settings: Settings) -> Contender:
    if name == PIPELINE:
        pipeline = PyannotePipeline(settings, THREADS)
        return lambda audio, options: Found(pipeline.diarize(audio, options))
    if name == PEER:
        return FasterWhisperAndPyannote(settings)
    if name == WHISPERX:
        return WhisperX(settings, THREADS)
    if not words:
        return lambda audio, options: Found(annotation(client.diarize(audio, **options).turns))
    return lambda audio, options: _transcribed(client, audio, {**OPTIONS[name], **options})


def _transcribed(client: Client, audio: bytes, options: DiarizedAsrKeywords) -> Found:
    result = client.transcribe_diarized(audio, **options)
    return Found(annotation(result.turns), spoken_by(result.segments))


class FasterWhisperAndPyannote:
    """pyannote.audio's pipeline, faster-whisper's batched one, and the merge by sentences, one after another.

    Args:
        settings: Of the service: same models, devices and number formats.

    Raises:
        StoreError: Weights are not in the model store.
    """

    def __init__(self, settings: Settings) -> None:
        self._peers = Peers(settings.whisper, ModelStore(settings.models))
        self._pipeline = PyannotePipeline(settings, THREADS)

    def __call__(self, audio: bytes, options: DiarizationKeywords) -> Found:
        """Write down who says what in an encoded file.

        Raises:
            TriologueError: It cannot be decoded.
        """
        turns = self._pipeline.diarize(audio, options)
        segments = asr_segments(self._peers.transcribe_batched(audio, word_timestamps=True))
        return Found(turns, spoken_by(PostProcessingForDiarizedAsr.process(turns_of(turns), segments)))
