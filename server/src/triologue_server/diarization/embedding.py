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
from triologue_server.diarization.pooling import pool_by_matrices
from triologue_server.diarization.precision import computing_in
from triologue_server.diarization.spans import (
    FRAMES,
    SPEAKERS,
    WINDOW_SAMPLES,
    WINDOWS,
    AudioOfSpan,
)
from triologue_server.loading import loading
from triologue_server.settings import Precision


@dataclass(frozen=True)
class SpeakersOfSpan:
    """The work of one span."""

    audio: AudioOfSpan
    """What is heard."""
    activity: NDArray[np.uint8]
    """(`WINDOWS`, `FRAMES`, `SPEAKERS`) of 0 or 1."""


class EmbeddingModel:
    """The embedding network of a pipeline, over spans; for several threads at once.

    Args:
        pipeline: Whose network it is.
        device: A name of torch, such as `cpu` or `cuda:1`.
        precision: Number format of the trunk.

    Raises:
        ModelNotLoaded: It does not fit on the device.
        ValueError: The network cannot be run in two halves, trunk and pooling.
    """

    def __init__(self, pipeline: SpeakerDiarization, device: str, precision: Precision = "float32") -> None:
        with loading(f"the embedding network on {device}"):
            embedding = pipeline._embedding.to(torch.device(device))
        self._model: Any = getattr(embedding, "model_", None)
        if not hasattr(self._model, "forward_frames"):
            raise ValueError(f"{pipeline.embedding}: its trunk cannot be run apart from its pooling")
        pool_by_matrices(self._model)
        self._device = torch.device(device)
        self._precision = precision
        self._exclude_overlap: bool = pipeline.embedding_exclude_overlap
        self._min_samples: int = embedding.min_num_samples
        self._min_frames = math.ceil(FRAMES * self._min_samples / WINDOW_SAMPLES)
        self.dimension: int = embedding.dimension

    def embed(self, spans: Sequence[SpeakersOfSpan]) -> list[NDArray[np.float32]]:
        """Embed every speaker of every window.

        Returns:
            For each span, (`WINDOWS`, `SPEAKERS`, dimension); not a number where a speaker is not active.
        """
        return [self._embed_span(span) for span in spans]

    def _embed_span(self, span: SpeakersOfSpan) -> NDArray[np.float32]:
        audio, activity = span.audio, span.activity
        embeddings = np.full((WINDOWS, SPEAKERS, self.dimension), np.nan, np.float32)
        starting = math.ceil(len(audio.samples) / audio.hop)  # windows that start in the audio
        windows, speakers = np.nonzero(activity[:starting].any(axis=1))
        if len(windows) == 0 or len(audio.samples) < self._min_samples:
            return embeddings
        masks = self._masks(activity)[windows, speakers]  # (voices, frames of a window)
        with torch.inference_mode():
            frames = self._frames(audio.samples)  # (..., frames of the span)
            pooled = self._model.forward_embedding(
                frames[None], weights=_laid_out(masks, windows * audio.hop, frames, len(audio.samples))[None]
            )[0]  # (voices, dimension)
        embeddings[windows, speakers] = pooled.cpu().numpy()
        return embeddings

    def _frames(self, samples: NDArray[np.int16]) -> torch.Tensor:
        waveform = torch.from_numpy(to_float(samples)).to(self._device)
        with computing_in(self._precision, self._device):
            frames: torch.Tensor = self._model.forward_frames(waveform[None, None])[0]
        return frames.float()

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


def _laid_out(
    masks: NDArray[np.float32], starts: NDArray[np.int64], frames: torch.Tensor, num_samples: int
) -> torch.Tensor:
    """Lay masks of windows out over the frames of the span: (voices, frames of the span).

    The last window reaches past the end of the audio, where there is no voice to hear.
    """
    per_sample = frames.shape[-1] / num_samples
    length = round(WINDOW_SAMPLES * per_sample)
    stretched = F.interpolate(torch.from_numpy(masks)[None], size=length, mode="nearest")[0]
    laid_out = torch.zeros(len(masks), frames.shape[-1] + length)
    for row, mask, start in zip(laid_out, stretched, starts, strict=True):
        at = round(start * per_sample)
        row[at : at + length] = mask
    return laid_out[:, : frames.shape[-1]].to(frames.device)
