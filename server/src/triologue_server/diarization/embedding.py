"""The embedding network: the voice of each active speaker of each window, as a vector.

pyannote embeds every (window, speaker) pair from the window's samples, so that each second of audio goes
through the network some thirty times. Here the trunk of the network runs once over the whole span, and its
frames are pooled under each pair's mask.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
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


@dataclass(frozen=True)
class SpeakersOfSpan:
    """The work of one span."""

    samples: NDArray[np.int16]
    """(samples,) at 16 kHz, at most `SPAN_SAMPLES`."""
    activity: NDArray[np.uint8]
    """(`WINDOWS`, `FRAMES`, `SPEAKERS`) of 0 or 1."""


class EmbeddingModel:
    """The embedding network of a pipeline, over spans.

    Raises:
        ValueError: The network cannot be run in two halves, trunk and pooling.
    """

    def __init__(self, pipeline: SpeakerDiarization, device: str) -> None:
        embedding = pipeline._embedding.to(torch.device(device))
        self._model: Any = getattr(embedding, "model_", None)
        if not hasattr(self._model, "forward_frames"):
            raise ValueError(f"{pipeline.embedding}: its trunk cannot be run apart from its pooling")
        self._device = torch.device(device)
        self._exclude_overlap: bool = pipeline.embedding_exclude_overlap
        self._min_samples: int = embedding.min_num_samples
        self._min_frames = math.ceil(FRAMES * self._min_samples / WINDOW_SAMPLES)
        self.dimension: int = embedding.dimension

    def embed(self, spans: Sequence[SpeakersOfSpan]) -> list[NDArray[np.float32]]:
        """Embed every speaker of every window.

        Returns:
            For each span, (`WINDOWS`, `SPEAKERS`, dimension); not a number where a speaker is not active.
        """
        return [self._embed_span(span.samples, span.activity) for span in spans]

    def _embed_span(self, span: NDArray[np.int16], activity: NDArray[np.uint8]) -> NDArray[np.float32]:
        embeddings = np.full((WINDOWS, SPEAKERS, self.dimension), np.nan, np.float32)
        active = np.flatnonzero(activity[: num_windows(len(span))].any(axis=(1, 2)))
        if len(active) == 0 or len(span) < self._min_samples:
            return embeddings
        masks = self._masks(activity[active])
        for mask, window in zip(masks, active, strict=True):
            # The last window reaches past the end of the audio: there is no voice to hear there.
            mask[:, max(0, int((len(span) - window * HOP_SAMPLES) / WINDOW_SAMPLES * FRAMES)) :] = 0.0
        with torch.inference_mode():
            waveform = torch.from_numpy(to_float(span)).to(self._device)
            frames = self._model.forward_frames(waveform[None, None])[0]  # (..., span frames)
            per_sample = frames.shape[-1] / len(span)
            length = round(WINDOW_SAMPLES * per_sample)
            starts = [round(window * HOP_SAMPLES * per_sample) for window in active]
            frames = F.pad(frames, (0, max(0, starts[-1] + length - frames.shape[-1])))
            pooled = self._model.forward_embedding(
                torch.stack([frames[..., start : start + length] for start in starts]),
                weights=torch.from_numpy(masks).to(self._device),
            )  # (active windows, speakers, dimension)
        embeddings[active] = np.where(activity[active].any(axis=1)[..., None], pooled.cpu().numpy(), np.nan)
        return embeddings

    def _masks(self, activity: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Choose the frames each embedding hears, (windows, speakers, frames), as pyannote does.

        Overlapped speech is left out where enough of a speaker is left without it.
        """
        masks = activity.astype(np.float32)
        if self._exclude_overlap:
            alone = masks * (activity.sum(axis=2, keepdims=True) < 2)
            enough = alone.sum(axis=1, keepdims=True) > self._min_frames
            masks = np.where(enough, alone, masks)
        return np.ascontiguousarray(masks.transpose(0, 2, 1), dtype=np.float32)
