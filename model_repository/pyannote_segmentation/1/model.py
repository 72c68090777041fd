"""Core `pyannote_segmentation`: spans of audio in, who is active in them out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triologue_server.diarization.networks import load_networks, threads_of
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.settings import Settings
from triologue_server.triton.placement import torch_device_of
from triologue_server.triton.rows import audio_of, execute_rows


class TritonPythonModel:
    """Tensors to spans, activity to tensors."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the segmentation network."""
        settings = Settings()
        diarization = settings.diarization
        self._model = SegmentationModel(
            load_networks(settings),
            torch_device_of(args, diarization.device),
            diarization.precision,
            threads_of(diarization, diarization.segmentation),
        )

    def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> list[pb_utils.InferenceResponse]:
        """Segment the spans of all requests together."""
        return execute_rows(requests, audio_of, self._model.activity, _write)


def _write(activity: list[NDArray[np.uint8]]) -> pb_utils.Tensor:
    return pb_utils.Tensor("ACTIVITY", np.stack(activity))
