"""Features, worked out in pieces: those that faster-whisper works out at once."""

import json
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from triologue_server.audio import to_float
from triologue_server.transcription.processor import Features, Spectrogram, WhisperProcessor

Samples = NDArray[np.int16]

EXTRACTOR = FeatureExtractor()
PIECE_SAMPLES = 60 * 16_000


def recording(samples: int) -> Samples:
    """Noise that swells and fades, loudest in the middle."""
    loudness = 2 + 7_000 * np.sin(np.linspace(0, np.pi, samples)) ** 4
    return (loudness * np.random.default_rng(0).normal(size=samples)).astype(np.int16)


def at_once(samples: Samples, extractor: FeatureExtractor = EXTRACTOR) -> Features:
    # The last frame is made of the zeros behind the recording; faster-whisper leaves it out.
    return extractor(to_float(samples))[..., :-1]


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(160, id="one frame"),
        pytest.param(161, id="a bit more"),
        pytest.param(201, id="more than overlaps"),
        pytest.param(399, id="less than a frame hears"),
        pytest.param(16_000, id="a second"),
        pytest.param(480_000, id="a window"),
        pytest.param(PIECE_SAMPLES - 1, id="almost a piece"),
        pytest.param(PIECE_SAMPLES, id="a piece"),
        pytest.param(PIECE_SAMPLES + 1, id="a piece and a sample"),
        pytest.param(PIECE_SAMPLES + 160, id="a piece and a frame"),
        pytest.param(2 * PIECE_SAMPLES + 77_777, id="three pieces"),
    ],
)
def test_all_frames(samples: int) -> None:
    spectrogram = Spectrogram(EXTRACTOR, recording(samples))
    assert spectrogram.frames == samples // 160
    np.testing.assert_allclose(spectrogram[:], at_once(recording(samples)), atol=1e-6)


@pytest.mark.parametrize("samples", [1, 100, 159])
def test_less_than_a_frame_is_none(samples: int) -> None:
    spectrogram = Spectrogram(EXTRACTOR, recording(samples))
    assert spectrogram.frames == 0
    assert spectrogram[:].shape == (80, 0)


class TestSlices:
    @pytest.fixture(scope="class")
    def samples(self) -> Samples:
        return recording(2 * PIECE_SAMPLES + 77_777)

    @pytest.fixture(scope="class")
    def whole(self, samples: Samples) -> Features:
        return at_once(samples)

    def test_are_scaled_by_the_whole_recording(self, samples: Samples, whole: Features) -> None:
        """The first second is faint. By itself it would be scaled by its own loudest part."""
        faint = Spectrogram(EXTRACTOR, samples)[:100]
        np.testing.assert_allclose(faint, whole[:, :100], atol=1e-6)
        assert np.abs(faint - at_once(samples[:16_000]))[:, :99].max() > 0.1

    @pytest.mark.parametrize(
        ("start", "stop"),
        [
            pytest.param(0, 3_000, id="the first window"),
            pytest.param(777, 3_777, id="a window"),
            pytest.param(4_500, 7_500, id="across a border"),
            pytest.param(3_000, 6_000, id="to a border"),
            pytest.param(6_000, 9_000, id="from a border"),
            pytest.param(5_999, 6_001, id="a frame on either side"),
            pytest.param(5_000, 12_300, id="across two borders"),
            pytest.param(10_000, 13_000, id="past the end"),
            pytest.param(12_485, 12_486, id="the last frame"),
        ],
    )
    def test_are_those_of_the_whole(self, samples: Samples, whole: Features, start: int, stop: int) -> None:
        piece = Spectrogram(EXTRACTOR, samples)[start:stop]
        assert piece.shape == whole[:, start:stop].shape
        np.testing.assert_allclose(piece, whole[:, start:stop], atol=1e-6)

    def test_come_in_any_order(self, samples: Samples, whole: Features) -> None:
        spectrogram = Spectrogram(EXTRACTOR, samples)
        for start in (9_000, 0, 4_500, 4_600, 12_000, 0):
            window = spectrogram[start : start + 3_000]
            np.testing.assert_allclose(window, whole[:, start : start + 3_000], atol=1e-6)

    @pytest.mark.parametrize(("start", "stop"), [(5, 5), (20, 10), (12_486, 15_486), (90_000, 93_000)])
    def test_of_nothing(self, samples: Samples, start: int, stop: int) -> None:
        assert Spectrogram(EXTRACTOR, samples)[start:stop].shape == (80, 0)


class TestProcessor:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Where a model would be, with a small vocabulary."""
        words = WordLevel({"hello": 0, "<|endoftext|>": 1, "<|0.00|>": 2}, unk_token="hello")
        Tokenizer(words).save(str(tmp_path / "tokenizer.json"))
        return tmp_path

    def test_features_are_of_the_size_that_the_model_takes(self, folder: Path) -> None:
        """Those of large-v3 have 128 mels; other keys of its configuration are for others."""
        config = {"feature_size": 128, "processor_class": "WhisperProcessor", "hop_length": 160}
        (folder / "preprocessor_config.json").write_text(json.dumps(config))
        samples = recording(48_000)
        features = WhisperProcessor(folder).spectrogram(samples)[:]
        assert features.shape == (128, 300)
        np.testing.assert_allclose(features, at_once(samples, FeatureExtractor(128)), atol=1e-6)

    def test_without_a_configuration_they_are_those_of_the_first_models(self, folder: Path) -> None:
        assert WhisperProcessor(folder).spectrogram(recording(48_000))[:].shape == (80, 300)

    def test_text_is_without_timestamps(self, folder: Path) -> None:
        assert WhisperProcessor(folder).tokenizer.decode([2, 0, 2]) == "hello"
