"""faster-whisper's batched pipeline, pyannote.audio's, and the merge, for each request."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Sequence

import numpy as np
import torch
import triton_python_backend_utils as pb_utils
from faster_whisper import BatchedInferencePipeline, WhisperModel

from triologue import (
    AsrSegment,
    AsrWord,
    PostProcessingForDiarizedAsr,
    SpeakerDiarizationSegment,
    TimeInterval,
)
from triologue_server.audio import SAMPLE_RATE, decode_audio, to_float
from triologue_server.diarization.networks import load_from_store
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper


class TritonPythonModel:
    """One recording after the other."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the models of the settings."""
        settings = Settings()
        whisper = settings.whisper
        folder = ModelStore(settings.models).require(resolve_whisper(whisper.model))
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._diarize = load_from_store(settings)
        model = WhisperModel(
            str(folder),
            device=whisper.device,
            compute_type=whisper.compute_type.value,
            cpu_threads=whisper.threads,
        )
        self._transcribe = BatchedInferencePipeline(model).transcribe

    def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> list[pb_utils.InferenceResponse]:
        """Write down who says what."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: pb_utils.InferenceRequest) -> pb_utils.InferenceResponse:
        audio = pb_utils.get_input_tensor_by_name(request, "AUDIO").as_numpy()[0]
        samples = to_float(decode_audio(audio, math.inf).samples)
        found = self._diarize({"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE})
        turns = [
            SpeakerDiarizationSegment(
                time_interval=TimeInterval(start=turn.start, end=turn.end), speaker=speaker
            )
            for turn, _, speaker in found.speaker_diarization.itertracks(yield_label=True)
        ]
        segments, _ = self._transcribe(
            io.BytesIO(audio),
            language="en",
            beam_size=5,
            temperature=0.0,
            word_timestamps=True,
            vad_filter=True,
        )
        transcript = [
            AsrSegment(
                text=segment.text,
                time_interval=TimeInterval(start=segment.start, end=segment.end),
                confidence=min(1.0, math.exp(segment.avg_logprob)),
                no_speech_confidence=segment.no_speech_prob,
                words=[
                    AsrWord(
                        word=word.word,
                        time_interval=TimeInterval(start=word.start, end=word.end),
                        alignment_confidence=word.probability,
                    )
                    for word in segment.words
                ],
            )
            for segment in segments
        ]
        merged = PostProcessingForDiarizedAsr.process(turns, transcript)
        text = json.dumps([segment.model_dump(mode="json") for segment in merged])
        return pb_utils.InferenceResponse([pb_utils.Tensor("RESULT", np.array([text.encode()], object))])
