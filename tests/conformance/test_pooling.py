"""Statistics under masks by matrices, against those of pyannote, which takes one mask after the other."""

import copy

import numpy as np
import pytest
import torch
from pyannote.audio.models.blocks.pooling import StatsPool
from pyannote.audio.models.embedding import WeSpeakerResNet34
from pyannote.audio.pipelines import SpeakerDiarization
from torch import Tensor, nn

from triologue_server.diarization.campplus import CAMPPlus
from triologue_server.diarization.embedding import EmbeddingModel
from triologue_server.diarization.pooling import MatrixStatsPool, pool_by_matrices

FEATURES, FRAMES = 40, 200


@pytest.fixture
def sequences() -> Tensor:
    """(2, features, frames), far from zero beside how much they vary."""
    torch.manual_seed(0)
    return torch.randn(2, FEATURES, FRAMES) + torch.randn(2, FEATURES, 1) * 5


def assert_same_statistics(sequences: Tensor, weights: Tensor | None) -> None:
    ours, theirs = MatrixStatsPool()(sequences, weights), StatsPool()(sequences, weights)
    assert ours.dtype == theirs.dtype
    assert ours.isfinite().all()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_any_masks(sequences: Tensor) -> None:
    chance = torch.rand(2, 5, 1)
    assert_same_statistics(sequences, (torch.rand(2, 5, FRAMES) < chance).float())


def test_all_frames(sequences: Tensor) -> None:
    assert_same_statistics(sequences, torch.ones(2, 3, FRAMES))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_masks_of_few_frames(sequences: Tensor, frames: int) -> None:
    """A single frame does not vary."""
    masks = torch.zeros(2, 4, FRAMES)
    for speaker, start in enumerate([0, 17, 100, FRAMES - frames]):
        masks[:, speaker, start : start + frames] = 1.0
    assert_same_statistics(sequences, masks)
    if frames == 1:
        deviation = MatrixStatsPool()(sequences, masks)[..., FEATURES:]
        torch.testing.assert_close(deviation, torch.zeros(2, 4, FEATURES), rtol=0, atol=1e-4)


def test_empty_masks(sequences: Tensor) -> None:
    masks = torch.zeros(2, 3, FRAMES)
    masks[:, 1, 50:90] = 1.0
    assert_same_statistics(sequences, masks)
    assert not MatrixStatsPool()(sequences, masks)[:, [0, 2]].any()


def test_fractional_weights(sequences: Tensor) -> None:
    assert_same_statistics(sequences, torch.rand(2, 4, FRAMES))


@pytest.mark.parametrize("frames", [67, 589])
def test_masks_of_other_frames_are_stretched(sequences: Tensor, frames: int) -> None:
    assert_same_statistics(sequences, (torch.rand(2, 4, frames) < 0.3).float())


def test_one_mask_a_sequence(sequences: Tensor) -> None:
    assert_same_statistics(sequences, (torch.rand(2, FRAMES) < 0.3).float())


def test_no_masks(sequences: Tensor) -> None:
    assert_same_statistics(sequences, None)


def test_no_speakers(sequences: Tensor) -> None:
    assert MatrixStatsPool()(sequences, torch.zeros(2, 0, FRAMES)).shape == (2, 0, 2 * FEATURES)


def pools(network: nn.Module) -> set[type[nn.Module]]:
    return {type(module) for module in network.modules() if isinstance(module, StatsPool)}


@torch.inference_mode()
def test_another_network_gives_the_same_embeddings() -> None:
    """With weights that are not trained, which is enough to tell."""
    torch.manual_seed(0)
    theirs = WeSpeakerResNet34().eval()
    ours = copy.deepcopy(theirs)
    pool_by_matrices(ours)
    assert (pools(theirs), pools(ours)) == ({StatsPool}, {MatrixStatsPool})
    waveform = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (1, 1, 48_000)).astype(np.float32))
    masks = (torch.rand(1, 6, 589) < torch.tensor([0.02, 0.1, 0.3, 0.6, 0.9, 1.0])[:, None]).float()
    frames = theirs.forward_frames(waveform)
    expected = theirs.forward_embedding(frames, masks)
    assert expected.shape == (1, 6, 256)
    torch.testing.assert_close(ours.forward_embedding(frames, masks), expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours(waveform, masks), theirs(waveform, masks), rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_the_embedded_network_gives_the_same_embeddings(
    pipeline: SpeakerDiarization, embedding: EmbeddingModel
) -> None:
    ours = pipeline._embedding.model_
    assert isinstance(ours, CAMPPlus)
    assert pools(ours) == {MatrixStatsPool}
    theirs = copy.deepcopy(ours)
    theirs.pool = StatsPool()
    frames = torch.randn(1, 512, 300).abs()
    masks = (torch.rand(1, 4, 300) < torch.tensor([0.05, 0.3, 0.9, 1.0])[:, None]).float()
    torch.testing.assert_close(
        ours.forward_embedding(frames, masks), theirs.forward_embedding(frames, masks), rtol=1e-3, atol=1e-3
    )
