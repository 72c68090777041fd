"""The segmentation network: who of up to three speakers is active in each frame of each window."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from triologue_server.audio import to_float
from triologue_server.diarization.spans import (
    FRAMES,
    HOP_SAMPLES,
    SPEAKERS,
    WINDOW_SAMPLES,
    WINDOWS,
    num_windows,
)

_WINDOWS_AT_ONCE = 64  # bounds the memory of one forward pass


class SegmentationModel:
    """The segmentation network of a pipeline, over batches of spans."""

    def __init__(self, pipeline: SpeakerDiarization, device: str) -> None:
        self._inference = pipeline._segmentation.to(torch.device(device))

    def activity(self, spans: Sequence[NDArray[np.int16]]) -> list[NDArray[np.uint8]]:
        """Say which speakers are active.

        Args:
            spans: The audio of each span, (samples,) at 16 kHz, at most `SPAN_SAMPLES` of it.

        Returns:
            For each span, (`WINDOWS`, `FRAMES`, `SPEAKERS`) of 0 or 1; zeros for windows past its end.
        """
        counts = [num_windows(len(span)) for span in spans]
        windows = np.concatenate([_windows(span, count) for span, count in zip(spans, counts, strict=True)])
        outputs = np.concatenate(
            [
                self._inference.infer(torch.from_numpy(windows[at : at + _WINDOWS_AT_ONCE, None]))
                for at in range(0, len(windows), _WINDOWS_AT_ONCE)
            ]
        )
        results = []
        for output in np.split(outputs, np.cumsum(counts)[:-1]):
            padded = np.zeros((WINDOWS, FRAMES, SPEAKERS), np.uint8)
            padded[: len(output)] = output
            results.append(padded)
        return results


def _windows(span: NDArray[np.int16], count: int) -> NDArray[np.float32]:
    """Cut a span into (count, `WINDOW_SAMPLES`), the last window filled up with silence."""
    padded = np.zeros(WINDOW_SAMPLES + (count - 1) * HOP_SAMPLES, np.float32)
    padded[: len(span)] = to_float(span)
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
