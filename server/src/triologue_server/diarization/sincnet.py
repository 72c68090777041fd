"""The front of the segmentation network, run over overlapping windows without doing their convolution twice.

SincNet normalises a window, and slides band-pass filters over it. A convolution is linear: that of the
normalised window is that of the audio itself, scaled and shifted. So it is done once for all windows of a
span, a tenth of the work at pyannote's default hop. What comes after it depends on the window as a whole.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from pyannote.audio.models.blocks.sincnet import SincNet
from torch import Tensor

from triologue_server.diarization.spans import HOP_UNIT, WINDOW_SAMPLES


def can_share(network: object) -> bool:
    """Say whether a front end is the one whose first convolution is shared here."""
    return isinstance(network, SincNet) and network.stride == HOP_UNIT


def front_of_windows(network: SincNet, span: Tensor, hop: int) -> Tensor:
    """Return what `network` puts out for each window of a span.

    Args:
        network: With a stride of `HOP_UNIT`.
        span: (samples,), `WINDOW_SAMPLES` and a multiple of the hop.
        hop: From one window to the next, in samples; a multiple of `HOP_UNIT`.

    Returns:
        (windows, channels, frames), the same as `network` does for the stacked windows.
    """
    norm, convolution = network.wav_norm1d, network.conv1d[0]
    windows = span.unfold(0, WINDOW_SAMPLES, hop)  # (windows, samples)
    variance, mean = torch.var_mean(windows, dim=1, correction=0)
    scale = norm.weight / torch.sqrt(variance + norm.eps)  # (windows,)
    shift = norm.bias - mean * scale
    filtered = convolution(span[None, None])[0]  # (filters, span steps)
    of_ones = convolution.filterbank.filters().sum(dim=-1)  # (filters, 1): what a filter makes of a constant
    steps = (WINDOW_SAMPLES - convolution.filterbank.kernel_size) // HOP_UNIT + 1
    # One window after the other stays in the processor's cache; all at once take ten times their memory.
    return torch.cat(
        [
            _behind_filters(network, filtered[:, at : at + steps] * a + of_ones * b)
            for at, a, b in zip(
                range(0, len(windows) * hop // HOP_UNIT, hop // HOP_UNIT), scale, shift, strict=True
            )
        ]
    )


def _behind_filters(network: SincNet, filtered: Tensor) -> Tensor:
    """Return what the network puts out, (1, channels, frames), for what its filters make of a window."""
    outputs = filtered.abs_()[None]  # (1, filters, steps)
    for number, (pool, normalise) in enumerate(zip(network.pool1d, network.norm1d, strict=True)):
        if number > 0:
            outputs = network.conv1d[number](outputs)
        outputs = F.leaky_relu(normalise(pool(outputs)))
    return outputs
