"""The shared first convolution against the segmentation network's own front, run on each window by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pyannote.audio.models.blocks.sincnet import SincNet
from pyannote.audio.pipelines import SpeakerDiarization
from torch import nn

from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.sincnet import can_share, front_of_windows
from triologue_server.diarization.spans import FRAMES, WINDOW_SAMPLES, AudioOfSpan

Samples = NDArray[np.int16]

HOPS = [8_000, 16_000, 53_330, 79_990, 160_000]

SOUNDS: dict[str, Callable[[Samples], NDArray[Any]]] = {
    "speech": lambda speech: speech,
    "speech beside a constant": lambda speech: speech / 4 + 20_000,
    "faint speech": lambda speech: speech / 300,
    "speech and silence": lambda speech: np.where(np.arange(len(speech)) < 9 * 16_000, speech, 0),
    "noise": lambda speech: np.random.default_rng(0).normal(0, 3_000, len(speech)),
    "a constant": lambda speech: np.full(len(speech), 12_345),
    "silence": np.zeros_like,
}


@pytest.fixture(scope="module")
def front(pipeline: SpeakerDiarization) -> SincNet:
    """The network's own."""
    front = pipeline._segmentation.model.sincnet
    assert isinstance(front, SincNet)
    return front


@pytest.fixture(scope="module")
def speech(sample: Samples) -> Samples:
    """22 seconds."""
    return sample[7 * 16_000 : 29 * 16_000]


def audio_of(speech: Samples, sound: str, hop: int) -> AudioOfSpan:
    """A span of several windows, the last one filled up."""
    return AudioOfSpan(SOUNDS[sound](speech).astype(np.int16), hop)


def windows_of(audio: AudioOfSpan) -> torch.Tensor:
    """(windows, 1, samples), cut one by one."""
    filled = torch.from_numpy(audio.filled_up())
    starts = [window * audio.hop for window in range(audio.windows)]
    return torch.stack([filled[start : start + WINDOW_SAMPLES] for start in starts])[:, None]


@pytest.mark.parametrize(("hop", "windows"), zip(HOPS, [21, 13, 5, 4, 3], strict=True))
@torch.inference_mode()
def test_front_of_windows_is_that_of_each(front: SincNet, speech: Samples, hop: int, windows: int) -> None:
    audio = audio_of(speech, "speech", hop)
    ours = front_of_windows(front, torch.from_numpy(audio.filled_up()), hop)
    assert ours.shape == (windows, 60, FRAMES)
    torch.testing.assert_close(ours, front(windows_of(audio)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sound", set(SOUNDS) - {"speech", "a constant", "silence"})
@torch.inference_mode()
def test_front_of_windows_of_any_sound(front: SincNet, speech: Samples, sound: str) -> None:
    audio = audio_of(speech, sound, 53_330)
    ours = front_of_windows(front, torch.from_numpy(audio.filled_up()), audio.hop)
    # What a constant adds is taken away behind the filters, and not before them.
    tolerance = 3e-2 if sound == "speech beside a constant" else 2e-3
    torch.testing.assert_close(ours, front(windows_of(audio)), rtol=tolerance, atol=tolerance)


@torch.inference_mode()
def test_front_of_windows_of_silence(front: SincNet, speech: Samples) -> None:
    audio = audio_of(speech, "silence", 16_000)
    ours = front_of_windows(front, torch.from_numpy(audio.filled_up()), audio.hop)
    torch.testing.assert_close(ours, front(windows_of(audio)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("hop", [16_000, 79_990])
def test_activity_is_what_the_network_infers(
    pipeline: SpeakerDiarization, segmentation: SegmentationModel, speech: Samples, sound: str, hop: int
) -> None:
    audio = audio_of(speech[: 15 * 16_000], sound, hop)
    (ours,) = segmentation.activity([audio])
    theirs = pipeline._segmentation.infer(windows_of(audio))
    assert ours[: audio.windows].shape == theirs.shape
    different = (ours[: audio.windows] != theirs).any(axis=2)
    assert different.mean() <= (0.0 if sound == "silence" else 0.001)
    assert ours.any() == ("speech" in sound)


def test_what_can_be_shared(front: SincNet, pipeline: SpeakerDiarization) -> None:
    assert can_share(front)
    assert not can_share(SincNet(stride=1))
    assert not can_share(nn.Identity())
    assert not can_share(None)


def test_a_front_that_cannot_be_shared_is_run_on_each_window(
    pipeline: SpeakerDiarization,
    segmentation: SegmentationModel,
    speech: Samples,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("triologue_server.diarization.segmentation.can_share", lambda network: False)
    audio = audio_of(speech[: 13 * 16_000], "speech", 16_000)
    (apart,) = SegmentationModel(pipeline, "cpu").activity([audio])
    np.testing.assert_array_equal(apart[: audio.windows], pipeline._segmentation.infer(windows_of(audio)))
    monkeypatch.undo()
    (shared,) = segmentation.activity([audio])
    assert np.mean((apart != shared).any(axis=2)) <= 0.001


def test_the_pipelines_own_network_is_left_whole(
    pipeline: SpeakerDiarization, segmentation: SegmentationModel
) -> None:
    assert isinstance(pipeline._segmentation.model.sincnet, SincNet)
    assert isinstance(segmentation._network.sincnet, nn.Identity)
