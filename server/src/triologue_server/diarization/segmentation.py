"""The segmentation network: who of up to three speakers is active in each frame of each window."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from torch import Tensor, nn

from triologue_server.diarization.precision import computing_in
from triologue_server.diarization.sincnet import can_share, front_of_windows
from triologue_server.diarization.spans import (
    FRAMES,
    SPEAKERS,
    WINDOW_SAMPLES,
    WINDOWS,
    AudioOfSpan,
)
from triologue_server.loading import loading
from triologue_server.settings import Precision

_WINDOWS_AT_ONCE = {"cpu": 11, "cuda": 64}  # what fits a processor's cache, and a bound of a GPU's memory


class SegmentationModel:
    """The segmentation network of a pipeline, over batches of spans; for several threads at once.

    Args:
        pipeline: Whose network it is.
        device: A name of torch, such as `cpu` or `cuda:1`.
        precision: Number format of all behind the network's convolutions.

    Raises:
        ModelNotLoaded: It does not fit on the device.
    """

    def __init__(self, pipeline: SpeakerDiarization, device: str, precision: Precision = "float32") -> None:
        inference = pipeline._segmentation
        self._device = torch.device(device)
        self._precision = precision
        with loading(f"the segmentation network on {device}"):
            self._network: nn.Module = copy.deepcopy(inference.model).to(self._device)
        self._conversion: nn.Module = inference.conversion
        self._front = getattr(self._network, "sincnet", None)
        if can_share(self._front):
            # It is run span by span; what is left of the network begins behind it.
            self._network.sincnet = nn.Identity()

    def activity(self, spans: Sequence[AudioOfSpan]) -> list[NDArray[np.uint8]]:
        """Say which speakers are active.

        Returns:
            For each span, (`WINDOWS`, `FRAMES`, `SPEAKERS`) of 0 or 1; zeros for windows past its end.
        """
        at_once = _WINDOWS_AT_ONCE[self._device.type]
        with torch.inference_mode():
            fronts = [self._windows(span) for span in spans]
            windows = torch.cat(fronts)
            with computing_in(self._precision, self._device):
                classes = [self._network(some).float() for some in torch.split(windows, at_once)]
            outputs = self._conversion(torch.cat(classes).cpu()).numpy()  # (windows, frames, speakers)
        results = []
        for output in np.split(outputs, np.cumsum([len(front) for front in fronts])[:-1]):
            padded = np.zeros((WINDOWS, FRAMES, SPEAKERS), np.uint8)
            padded[: len(output)] = output
            results.append(padded)
        return results

    def _windows(self, span: AudioOfSpan) -> Tensor:
        """Return what the rest of the network takes, for each window of a span."""
        audio = torch.from_numpy(span.filled_up()).to(self._device)
        if can_share(self._front):
            return front_of_windows(self._front, audio, span.hop)
        return audio.unfold(0, WINDOW_SAMPLES, span.hop)[:, None]
