"""CAM++: a fast speaker embedding network, as a pyannote.audio model.

The network is that of "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware
Masking" (Wang et al., arXiv 2303.00332); sub-module names follow the published weights (3D-Speaker), so
that their state dict loads with every key matched.
"""

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
import torchaudio.compliance.kaldi as kaldi
from pyannote.audio import Model
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.blocks.pooling import StatsPool
from torch import Tensor, nn

_SAMPLE_RATE = 16_000
_SAMPLE_SCALE = 1 << 15  # the weights were trained on 16-bit sample values
_MEL_BINS = 80
_CONTEXT_FRAMES = 100  # length of the segments whose mean is each frame's local context
_BLOCKS = ((12, 1), (24, 2), (16, 2))  # (layers, dilation) of the three dense blocks


def _batchnorm_relu(channels: int) -> nn.Sequential:
    norm = nn.Sequential()
    norm.add_module("batchnorm", nn.BatchNorm1d(channels))
    norm.add_module("relu", nn.ReLU(inplace=True))
    return norm


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions over (mel, time); a stride above 1 halves the mel axis alone."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channel, mel, frame) to (batch, channel, mel / stride, frame)."""
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class _FrontEnd(nn.Module):
    """The two-dimensional convolutional front end."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_ResidualBlock(channels, 2), _ResidualBlock(channels, 1))
        self.layer2 = nn.Sequential(_ResidualBlock(channels, 2), _ResidualBlock(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.out_channels = channels * (_MEL_BINS // 8)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, mel, frame) to (batch, channel, frame)."""
        out = F.relu(self.bn1(self.conv1(x.unsqueeze(1))))
        out = self.layer2(self.layer1(out))
        return F.relu(self.bn2(self.conv2(out))).flatten(1, 2)


class _ContextAwareMask(nn.Module):
    """A local convolution, masked by what the whole utterance and the near past and future say."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(
            in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(in_channels, in_channels // 2, 1)
        self.linear2 = nn.Conv1d(in_channels // 2, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channel, frame) to (batch, out_channel, frame)."""
        local = F.avg_pool1d(x, _CONTEXT_FRAMES, _CONTEXT_FRAMES, ceil_mode=True)
        context = x.mean(-1, keepdim=True) + local
        mask = torch.sigmoid(self.linear2(F.relu(self.linear1(context))))
        return self.linear_local(x) * mask.repeat_interleave(_CONTEXT_FRAMES, dim=-1)[..., : x.shape[-1]]


class _DenseLayer(nn.Module):
    def __init__(self, in_channels: int, bottleneck: int, growth: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _batchnorm_relu(in_channels)
        self.linear1 = nn.Conv1d(in_channels, bottleneck, 1, bias=False)
        self.nonlinear2 = _batchnorm_relu(bottleneck)
        self.cam_layer = _ContextAwareMask(bottleneck, growth, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))


class _DenseBlock(nn.ModuleDict):
    """Layers that each append `growth` channels to what they were given."""

    def __init__(self, layers: int, in_channels: int, growth: int, dilation: int) -> None:
        super().__init__()
        for layer in range(layers):
            self[f"tdnnd{layer + 1}"] = _DenseLayer(
                in_channels + layer * growth, 4 * growth, growth, dilation
            )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.values():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class _Transit(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.nonlinear = _batchnorm_relu(in_channels)
        self.linear = nn.Conv1d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.nonlinear(x))


class _Subsample(nn.Module):
    """A convolution that halves the frame rate."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_channels, out_channels, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _batchnorm_relu(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlinear(self.linear(x))


class _Projection(nn.Module):
    """From pooled statistics to the embedding."""

    def __init__(self, in_channels: int, dimension: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_channels, dimension, 1, bias=False)
        self.nonlinear = nn.Sequential()
        self.nonlinear.add_module("batchnorm", nn.BatchNorm1d(dimension, affine=False))

    def forward(self, statistics: Tensor) -> Tensor:
        """Map (batch, statistic) to (batch, dimension)."""
        return self.nonlinear(self.linear(statistics.unsqueeze(-1)).squeeze(-1))


class CAMPPlus(Model):
    """CAM++ speaker embedding of 192 dimensions over 16 kHz audio.

    Like pyannote's WeSpeaker models it can be run in two halves: `forward_frames`, the trunk, which takes
    nearly all the time, and `forward_embedding`, the pooling of its frames with a mask for each speaker.
    """

    dimension = 192

    def __init__(self, growth: int = 32, channels: int = 128) -> None:
        super().__init__(sample_rate=_SAMPLE_RATE, num_channels=1)
        # pyannote asks every model what it was trained for; no task of its own fits a speaker embedding.
        self.specifications = Specifications(
            problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=10.0, min_duration=0.1
        )
        # This layout halves the time of the two-dimensional convolutions on a CPU.
        self.head = _FrontEnd().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.xvector = nn.ModuleDict({"tdnn": _Subsample(self.head.out_channels, channels)})
        for number, (layers, dilation) in enumerate(_BLOCKS, start=1):
            self.xvector[f"block{number}"] = _DenseBlock(layers, channels, growth, dilation)
            channels += layers * growth
            self.xvector[f"transit{number}"] = _Transit(channels, channels // 2)
            channels //= 2
        self.xvector["out_nonlinear"] = _batchnorm_relu(channels)
        self.xvector["dense"] = _Projection(2 * channels, self.dimension)
        self.pool = StatsPool()
        self._fbank = partial(kaldi.fbank, num_mel_bins=_MEL_BINS, sample_frequency=_SAMPLE_RATE, dither=0.0)

    @classmethod
    def from_state_dict(cls, path: Path) -> "CAMPPlus":
        """Load the published weights; every key must match.

        Raises:
            RuntimeError: The file's keys are not those of this network.
        """
        model = cls()
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
        return model.eval()

    def compute_fbank(self, waveforms: Tensor) -> Tensor:
        """Return mean-normalised Kaldi filter banks.

        Args:
            waveforms: (batch, 1, samples), from -1.0 to 1.0 at 16 kHz.

        Returns:
            (batch, mel bins, fbank frames), 100 frames a second.
        """
        features = torch.stack([self._fbank(waveform) for waveform in waveforms * _SAMPLE_SCALE])
        return (features - features.mean(dim=1, keepdim=True)).transpose(1, 2)

    def forward_frames(self, waveforms: Tensor) -> Tensor:
        """Run the trunk: (batch, 1, samples) to (batch, 512, frames), 50 frames a second."""
        x = self.head(self.compute_fbank(waveforms))
        for name, layer in self.xvector.items():
            if name != "dense":
                x = layer(x)
        return x

    def forward_embedding(self, frames: Tensor, weights: Tensor | None = None) -> Tensor:
        """Pool trunk frames into embeddings.

        Args:
            frames: (batch, 512, frames).
            weights: (batch, mask frames) or (batch, speakers, mask frames), from 0.0 to 1.0.

        Returns:
            (batch, 192) or (batch, speakers, 192).
        """
        statistics = self.pool(frames, weights=weights)
        pooled = self.xvector["dense"](statistics.reshape(-1, statistics.shape[-1]))
        return pooled.reshape(*statistics.shape[:-1], self.dimension)

    def forward(self, waveforms: Tensor, weights: Tensor | None = None) -> Tensor:
        """Embed (batch, 1, samples) under `weights`, as `forward_embedding` does."""
        return self.forward_embedding(self.forward_frames(waveforms), weights)
