"""Statistics of the same frames under many masks, as two products of matrices."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from pyannote.audio.models.blocks.pooling import StatsPool
from torch import Tensor


class MatrixStatsPool(StatsPool):
    """What pyannote's `StatsPool` says under masks, without passing over the frames once for each of them."""

    def forward(self, sequences: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return weighted mean and (unbiased) standard deviation.

        Args:
            sequences: (batch, features, frames).
            weights: (batch, frames) or (batch, speakers, frames), of as many frames or, stretched, others.

        Returns:
            (batch, 2 * features) or (batch, speakers, 2 * features).
        """
        if weights is None or weights.dim() == 2:
            return super().forward(sequences, weights)
        if weights.shape[-1] != sequences.shape[-1]:
            weights = F.interpolate(weights, size=sequences.shape[-1], mode="nearest")
        # A sum of squares less a square loses what both have in common.
        exact, masks = sequences.double(), weights.double()
        total = masks.sum(dim=2).clamp(min=1e-8)  # (batch, speakers)
        sums, squares = (masks @ values.transpose(1, 2) for values in (exact, exact.square()))
        mean = sums / total[..., None]  # (batch, speakers, features)
        spread = (squares - mean * sums).clamp(min=0.0)
        variance = spread / (total - masks.square().sum(dim=2) / total + 1e-8)[..., None]
        return torch.cat([mean, variance.sqrt()], dim=-1).to(sequences.dtype)


def pool_by_matrices(network: Any) -> None:
    """Let a network pool this way."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is StatsPool:
                setattr(module, name, MatrixStatsPool())
