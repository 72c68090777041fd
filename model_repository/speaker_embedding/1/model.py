"""Core `speaker_embedding`: spans of audio and who is active in them in, their voices as vectors out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triologue_server.diarization.embedding import EmbeddingModel, SpeakersOfSpan
from triologue_server.diarization.networks import load_networks, workers_of
from triologue_server.settings import Settings
from triologue_server.triton import observing
from triologue_server.triton.placement import torch_device_of
from triologue_server.triton.rows import RowServer, array_of, audio_of


class TritonPythonModel:
    """Tensors to spans, embeddings to tensors."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the embedding network."""
        observing.begin(args["model_name"])
        settings = Settings()
        diarization = settings.diarization
        device = torch_device_of(args, diarization.device)
        network = EmbeddingModel(load_networks(settings), device, diarization.precision)
        self._rows = RowServer(
            _read,
            network.embed,
            _write,
            workers=workers_of(diarization, diarization.embedding, on_gpu=device != "cpu"),
        )

    def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> None:
        """Embed the speakers of the spans of requests."""
        self._rows.execute(requests)


def _read(request: pb_utils.InferenceRequest) -> list[SpeakersOfSpan]:
    activity = array_of(request, "ACTIVITY").astype(np.uint8)
    return [SpeakersOfSpan(*row) for row in zip(audio_of(request), activity, strict=True)]


def _write(embeddings: list[NDArray[np.float32]]) -> pb_utils.Tensor:
    return pb_utils.Tensor("EMBEDDINGS", np.stack(embeddings))
