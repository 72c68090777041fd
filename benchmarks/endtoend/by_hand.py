"""What users put together by hand out of the same models: faster-whisper, pyannote.audio, and a merge.

In one process, one recording after the other; or as one Python model of Triton's, which does the same for
each request.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput

from benchmarks.peers import Peers, asr_segments
from benchmarks.pipeline import PyannotePipeline
from benchmarks.turns import turns_of
from triologue import AsrSegment, PostProcessingForDiarizedAsr
from triologue_server.settings import Settings
from triologue_server.store import ModelStore
from triologue_server.triton.server import TritonServer

THREADS = len(os.sched_getaffinity(0))
"""CPU threads of pyannote.audio's pipeline."""

DECODING: dict[str, Any] = {"language": "en", "beam_size": 5, "temperature": 0.0}
"""What everybody decodes with."""

_REPOSITORY = Path(__file__).parent / "naive"
_MODEL = "diarized_by_hand"
_LONGEST_S = 24 * 3600.0


class ByHand:
    """pyannote.audio's pipeline, then faster-whisper, then the merge. For one thread.

    Args:
        settings: Of the service: same models, devices and number formats.
        batched: Whether faster-whisper's `BatchedInferencePipeline` transcribes, or `WhisperModel`.

    Raises:
        StoreError: Weights are not in the model store.
    """

    def __init__(self, settings: Settings, *, batched: bool) -> None:
        peers = Peers(settings.whisper, ModelStore(settings.models))
        self._transcribe = peers.transcribe_batched if batched else peers.transcribe
        self._pipeline = PyannotePipeline(settings, THREADS)

    def __call__(self, audio: bytes) -> list[AsrSegment]:
        """Write down who says what in an encoded file."""
        turns = self._pipeline.diarize(audio)
        segments = self._transcribe(audio, word_timestamps=True, vad_filter=True, **DECODING)
        return PostProcessingForDiarizedAsr.process(turns_of(turns), asr_segments(segments))


class NaiveTriton:
    """A Triton whose only model does that for each request. Threads may share it.

    Args:
        url: `grpc://`.
    """

    def __init__(self, url: str) -> None:
        self._client = InferenceServerClient(url.removeprefix("grpc://"))

    def __call__(self, audio: bytes) -> list[AsrSegment]:
        """Write down who says what in an encoded file."""
        tensor = InferInput("AUDIO", [1], "BYTES")
        tensor.set_data_from_numpy(np.array([audio], object))
        answer = self._client.infer(_MODEL, [tensor], client_timeout=_LONGEST_S).as_numpy("RESULT")[0]
        return [AsrSegment.model_validate(segment) for segment in json.loads(answer)]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


@contextmanager
def naive_triton(settings: Settings) -> Iterator[NaiveTriton]:
    """Serve the model as long as the context.

    Raises:
        LaunchError: Triton cannot be started.
    """
    with TritonServer(settings.model_copy(update={"model_repository": _REPOSITORY})) as server:
        client = NaiveTriton(server.grpc_url)
        try:
            yield client
        finally:
            client.close()
