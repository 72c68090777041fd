"""Core `pyannote_segmentation`: spans of audio in, who is active in them out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triologue_server.diarization.networks import load_networks, workers_of
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.settings import Settings
from triologue_server.triton import observing
from triologue_server.triton.placement import torch_device_of
from triologue_server.triton.rows import RowServer, audio_of


class TritonPythonModel:
    """Tensors to spans, activity to tensors."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the segmentation network."""
        observing.begin(args["model_name"])
        settings = Settings()
        diarization = settings.diarization
        device = torch_device_of(args, diarization.device)
        network = SegmentationModel(load_networks(settings), device, diarization.precision)
        self._rows = RowServer(
            audio_of,
            network.activity,
            _write,
            workers=workers_of(diarization, diarization.segmentation, on_gpu=device != "cpu"),
        )

    def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> None:
        """Segment the spans of requests."""
        self._rows.execute(requests)


def _write(activity: list[NDArray[np.uint8]]) -> pb_utils.Tensor:
    return pb_utils.Tensor("ACTIVITY", np.stack(activity))
