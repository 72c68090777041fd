"""The CAM++ network with its published weights."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pyannote.core import Annotation

from triologue_server.audio import to_float
from triologue_server.diarization.campplus import CAMPPlus


@pytest.fixture(scope="module")
def weights(embedded: Path) -> Path:
    return embedded / "campplus.pt"


@pytest.fixture(scope="module")
def network(weights: Path) -> CAMPPlus:
    return CAMPPlus.from_state_dict(weights)


@pytest.fixture(scope="module")
def waveforms(sample: NDArray[np.int16]) -> torch.Tensor:
    """Three pieces of speech, (3, 1, samples)."""
    return torch.from_numpy(to_float(sample[8 * 16_000 : 26 * 16_000])).reshape(3, 1, -1)


def similarity(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.cosine_similarity(one, other, dim=-1))


def test_every_key_of_the_weights_is_matched(weights: Path, network: CAMPPlus) -> None:
    published = torch.load(weights, map_location="cpu", weights_only=True)
    assert set(published) == set(network.state_dict())
    assert all(torch.equal(network.state_dict()[key], value) for key, value in published.items())


def test_weights_with_a_key_missing_are_refused(weights: Path, tmp_path: Path) -> None:
    published = torch.load(weights, map_location="cpu", weights_only=True)
    del published["xvector.dense.linear.weight"]
    torch.save(published, tmp_path / "weights.pt")
    with pytest.raises(RuntimeError, match=r"xvector\.dense\.linear\.weight"):
        CAMPPlus.from_state_dict(tmp_path / "weights.pt")


@torch.inference_mode()
def test_a_batch_is_the_same_as_one_by_one(network: CAMPPlus, waveforms: torch.Tensor) -> None:
    one_by_one = torch.cat([network(waveform[None]) for waveform in waveforms])
    assert one_by_one.shape == (3, 192)
    torch.testing.assert_close(network(waveforms), one_by_one, rtol=1e-3, atol=1e-3)


@torch.inference_mode()
def test_full_weights_are_no_weights(network: CAMPPlus, waveforms: torch.Tensor) -> None:
    torch.testing.assert_close(
        network(waveforms, torch.ones(3, 100)), network(waveforms), rtol=1e-3, atol=1e-3
    )


@torch.inference_mode()
def test_speakers_are_pooled_each_with_its_weights(network: CAMPPlus, waveforms: torch.Tensor) -> None:
    frames = network.forward_frames(waveforms)
    weights = torch.zeros(3, 2, 100)
    weights[:, 0, :60] = 1.0
    weights[:, 1, 40:] = 1.0
    together = network.forward_embedding(frames, weights)
    assert together.shape == (3, 2, 192)
    for speaker in range(2):
        torch.testing.assert_close(
            together[:, speaker], network.forward_embedding(frames, weights[:, speaker]), rtol=1e-3, atol=1e-3
        )


@torch.inference_mode()
def test_loudness_does_not_matter(network: CAMPPlus, waveforms: torch.Tensor) -> None:
    """The features' mean is taken off, and with it any gain."""
    assert similarity(network(waveforms[:1]), network(0.1 * waveforms[:1])) > 0.99


@torch.inference_mode()
def test_a_speaker_is_closer_to_himself_than_to_the_other(
    network: CAMPPlus, sample: NDArray[np.int16], reference: Annotation
) -> None:
    alone = reference.extrude(reference.get_overlap())
    voices: dict[str, list[torch.Tensor]] = {"speaker90": [], "speaker91": []}
    for turn, _, speaker in alone.itertracks(yield_label=True):
        if turn.duration > 1.5:
            speech = sample[int(turn.start * 16_000) : int(turn.end * 16_000)]
            voices[speaker].append(network(torch.from_numpy(to_float(speech))[None, None])[0])
    within = [
        similarity(*pair) for embeddings in voices.values() for pair in itertools.combinations(embeddings, 2)
    ]
    across = [similarity(*pair) for pair in itertools.product(*voices.values())]
    assert len(within) >= 4
    assert len(across) >= 6
    assert min(within) > max(across)
