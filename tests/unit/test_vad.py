"""Finding speech by Silero, block by block: as in one go, with bounded memory."""

import random
import wave
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray

from triologue.schema import VadParameters, WhisperParams
from triologue_server.audio import SAMPLE_RATE, to_float
from triologue_server.conductor import vad
from triologue_server.conductor.speech import Region
from triologue_server.transcription.window import WINDOW_SAMPLES

Samples = NDArray[np.int16]

BLOCK_SECONDS = 300
BATCHED = WhisperParams(mode="batched")
SEQUENTIAL = WhisperParams(mode="sequential")


@pytest.fixture(scope="module")
def sample() -> Samples:
    """pyannote.audio's sample: 30 seconds of two people on the phone, silent for the first six."""
    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.origin is not None
    with wave.open(str(Path(spec.origin).parent / "sample" / "sample.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def ours(samples: Samples, options: WhisperParams) -> list[Region]:
    return [region for found in vad.speech_regions(samples, options) for region in found]


def theirs(samples: Samples, **options: Any) -> list[Region]:
    found = get_speech_timestamps(to_float(samples), VadOptions(**options))
    return [Region(speech["start"], speech["end"]) for speech in found]


def heard(regions: list[Region], samples: Samples) -> NDArray[np.bool_]:
    """Say for each sample whether it is in a region."""
    inside = np.zeros(len(samples), np.bool_)
    for region in regions:
        inside[region.start : region.stop] = True
    return inside


def assert_in_order(regions: list[Region], samples: Samples) -> None:
    edges = [edge for region in regions for edge in (region.start, region.stop)]
    assert edges == sorted(edges)
    assert all(region.samples > 0 for region in regions)
    assert not regions or (regions[0].start >= 0 and regions[-1].stop <= len(samples))


class TestOneBlock:
    def test_regions_of_sequential_mode_are_those_of_faster_whisper(self, sample: Samples) -> None:
        assert ours(sample, SEQUENTIAL) == theirs(sample)

    def test_regions_of_batched_mode_are_those_of_its_batched_pipeline(self, sample: Samples) -> None:
        regions = ours(sample, BATCHED)
        assert regions == theirs(sample, min_silence_duration_ms=160, max_speech_duration_s=30)
        assert len(regions) > len(ours(sample, SEQUENTIAL))

    @pytest.mark.parametrize("mode", ["batched", "sequential"])
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("threshold", 0.9),
            ("neg_threshold", 0.05),
            ("min_speech_duration_ms", 5_000),
            ("max_speech_duration_s", 4.0),
            ("min_silence_duration_ms", 700),
            ("speech_pad_ms", 50),
        ],
    )
    def test_parameters_arrive(self, sample: Samples, name: str, value: float, mode: str) -> None:
        default = {"min_silence_duration_ms": 200, "max_speech_duration_s": 30}
        given = {**default, name: value}
        regions = ours(sample, WhisperParams(mode=mode, vad_parameters=VadParameters(**given)))
        assert regions == theirs(sample, **given)
        assert regions != theirs(sample, **default)

    @pytest.mark.parametrize("options", [BATCHED, SEQUENTIAL], ids=["batched", "sequential"])
    @pytest.mark.parametrize("length", [1, 511, 512, 513, 16_000])
    def test_silence_of_any_length(self, length: int, options: WhisperParams) -> None:
        assert ours(np.zeros(length, np.int16), options) == []


class TestSeveralBlocks:
    def test_speech_with_pauses_is_found_as_in_one_go(self, sample: Samples) -> None:
        """Also where a block ends amid speech: the next one begins with it."""
        samples = np.tile(sample, 23)[: 677 * SAMPLE_RATE + 123]
        in_one_go = theirs(samples)
        assert any(region.start < BLOCK_SECONDS * SAMPLE_RATE < region.stop for region in in_one_go)
        regions = ours(samples, SEQUENTIAL)
        assert len(regions) == len(in_one_go)
        for region, expected in zip(regions, in_one_go, strict=True):
            assert region.start == pytest.approx(expected.start, abs=0.1 * SAMPLE_RATE)
            assert region.stop == pytest.approx(expected.stop, abs=0.1 * SAMPLE_RATE)

    def test_the_same_is_heard_in_batched_mode(self, sample: Samples) -> None:
        """The network remembers what came before a block, so that cuts in its pauses may be others."""
        samples = np.tile(sample, 23)[: 677 * SAMPLE_RATE + 123]
        regions = ours(samples, BATCHED)
        assert_in_order(regions, samples)
        assert max(region.samples for region in regions) <= WINDOW_SAMPLES
        in_one_go = theirs(samples, min_silence_duration_ms=160, max_speech_duration_s=30)
        assert np.mean(heard(regions, samples) != heard(in_one_go, samples)) < 0.005

    @pytest.mark.parametrize("options", [BATCHED, SEQUENTIAL], ids=["batched", "sequential"])
    def test_speech_without_a_pause_goes_on(self, sample: Samples, options: WhisperParams) -> None:
        samples = np.tile(sample[round(7.5 * SAMPLE_RATE) :], 31)
        regions = ours(samples, options)
        assert_in_order(regions, samples)
        gaps = [later.start - earlier.stop for earlier, later in pairwise(regions)]
        assert max(gaps, default=0) < 0.5 * SAMPLE_RATE
        assert regions[0].start < 0.5 * SAMPLE_RATE
        assert len(samples) - regions[-1].stop < 0.5 * SAMPLE_RATE

    def test_who_speaks_up_right_behind_a_block_is_left_room(self, sample: Samples) -> None:
        """The sample's first words begin at 6.8 s, 0.1 s behind the end of the block here."""
        before = np.zeros(round((BLOCK_SECONDS - 6.7) * SAMPLE_RATE), np.int16)
        first = ours(np.concatenate([before, sample]), SEQUENTIAL)[0]
        expected = len(before) + theirs(sample)[0].start
        assert first.start == pytest.approx(expected, abs=0.05 * SAMPLE_RATE)
        assert first.start < BLOCK_SECONDS * SAMPLE_RATE

    def test_regions_come_as_blocks_are_heard(self, sample: Samples) -> None:
        samples = np.tile(sample, 23)
        found = vad.speech_regions(samples, SEQUENTIAL)
        assert 0 < next(found)[-1].stop <= BLOCK_SECONDS * SAMPLE_RATE

    def test_no_more_than_a_block_is_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looked_at = []

        def convert(samples: Samples) -> NDArray[np.float32]:
            looked_at.append(len(samples))
            return to_float(samples)

        monkeypatch.setattr(vad, "to_float", convert)
        assert ours(np.zeros(1_000 * SAMPLE_RATE, np.int16), SEQUENTIAL) == []
        assert max(looked_at) == BLOCK_SECONDS * SAMPLE_RATE
        # What is looked at twice is what speech is left as room.
        assert sum(looked_at) == pytest.approx(1_000 * SAMPLE_RATE, abs=3 * 0.4 * SAMPLE_RATE)


def random_conversation(chance: random.Random, sample: Samples) -> Samples:
    """Up to 20 minutes of speech, noise and silence, each of any length."""
    seconds, parts = chance.uniform(1.0, 1_200.0), []
    while sum(map(len, parts)) < seconds * SAMPLE_RATE:
        length = round(chance.choice([0.3, 5.0, 60.0, 400.0]) * chance.random() * SAMPLE_RATE)
        kind = chance.choice(["speech", "speech", "silence", "noise"])
        if kind == "speech":
            parts.append(np.tile(sample[round(7.5 * SAMPLE_RATE) :], 20)[:length])
        elif kind == "silence":
            parts.append(np.zeros(length, np.int16))
        else:
            parts.append(np.random.default_rng(0).normal(0, 300, length).astype(np.int16))
    return np.concatenate(parts)


@pytest.mark.parametrize("seed", range(4))
def test_any_conversation(seed: int, sample: Samples) -> None:
    chance = random.Random(seed)
    samples = random_conversation(chance, sample)
    parameters = VadParameters(
        threshold=chance.choice([None, 0.3, 0.9]),
        min_speech_duration_ms=chance.choice([None, 500]),
        max_speech_duration_s=chance.choice([None, 25.0, 500.0]),
        min_silence_duration_ms=chance.choice([None, 0, 60_000]),
        speech_pad_ms=chance.choice([None, 0, 10_000]),
    )
    mode = chance.choice(["batched", "sequential"])
    regions = ours(samples, WhisperParams(mode=mode, vad_parameters=parameters))
    assert_in_order(regions, samples)
    if mode == "batched":
        assert max((region.samples for region in regions), default=0) <= WINDOW_SAMPLES
