"""Recordings that are no conversation of a few people, from the file to who speaks when."""

import io
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation, Segment

from tests.conformance.diarizing import (
    Networks,
    Samples,
    annotation,
    assert_in_order_and_inside,
    error_rate,
    speakers,
)
from tests.server.recordings import silence, wav
from triologue.schema import DiarizationResult

# pyannote takes the mean of no embeddings, and never looks at it.
pytestmark = pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")

START, STOP = 8, 22  # of the part of the sample that is heard here, in seconds


@pytest.fixture(scope="module")
def talk(sample: Samples) -> Samples:
    """Fourteen seconds of two people."""
    return sample[START * 16_000 : STOP * 16_000]


@pytest.fixture(scope="module")
def plain(networks: Networks, pipeline: SpeakerDiarization, talk: Samples) -> DiarizationResult:
    return diarized(networks, pipeline, wav(talk))


@pytest.fixture(scope="module")
def utterances(sample: Samples, reference: Annotation) -> list[Samples]:
    """What each of the two says alone."""
    return [
        np.concatenate(
            [
                sample[int(turn.start * 16_000) : int(turn.end * 16_000)]
                for turn in reference.label_timeline(speaker).extrude(reference.get_overlap())
            ]
        )
        for speaker in reference.labels()
    ]


def diarized(
    networks: Networks, pipeline: SpeakerDiarization, upload: bytes, **options: Any
) -> DiarizationResult:
    """Diarize a file, and check what is true of the answer for any."""
    result = networks.diarize(pipeline, upload, speaker_embeddings=True, **options)
    assert_in_order_and_inside(result.turns, result.audio.duration)
    assert_in_order_and_inside(result.exclusive_turns, result.audio.duration)
    labels = speakers(result.turns)
    assert labels == [f"SPEAKER_{number:02d}" for number in range(len(labels))]
    assert set(speakers(result.exclusive_turns)) <= set(labels)
    assert set(result.speaker_embeddings) <= set(labels)
    # Every number of it can be told in JSON.
    assert DiarizationResult.model_validate_json(result.model_dump_json()) == result
    return result


def file_of(channels: Sequence[NDArray[np.int16]], rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(len(channels))
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(np.stack(channels, axis=1).astype("<i2").tobytes())
    return file.getvalue()


def at_speed(samples: Samples, factor: float) -> Samples:
    """Faster and higher, or slower and lower: another voice."""
    times = np.arange(0, len(samples) - 1, factor)
    return np.interp(times, np.arange(len(samples)), samples).astype(np.int16)


@pytest.mark.parametrize("seconds", [1 / 16_000, 0.2, 10.0, 12.5])
@pytest.mark.parametrize("step", [0.1, 0.5])
def test_silence(networks: Networks, pipeline: SpeakerDiarization, seconds: float, step: float) -> None:
    result = diarized(networks, pipeline, silence(seconds), segmentation_step=step)
    assert (result.turns, result.exclusive_turns, result.speaker_embeddings) == ([], [], {})
    assert result.warnings == []


def test_silence_of_a_number_of_speakers(networks: Networks, pipeline: SpeakerDiarization) -> None:
    assert diarized(networks, pipeline, silence(12.0), num_speakers=2).turns == []


@pytest.mark.parametrize("seconds", [0.01, 0.2, 0.5])
def test_a_moment_of_speech(
    networks: Networks, pipeline: SpeakerDiarization, utterances: list[Samples], seconds: float
) -> None:
    result = diarized(networks, pipeline, wav(utterances[0][16_000 : 16_000 + int(seconds * 16_000)]))
    assert len(result.speakers) <= 1


def test_a_second_of_speech(
    networks: Networks, pipeline: SpeakerDiarization, utterances: list[Samples]
) -> None:
    """There is a turn, and too little in it to tell what a voice sounds like."""
    result = diarized(networks, pipeline, wav(utterances[1][:16_000]))
    assert result.speakers == ["SPEAKER_00"]
    assert result.speaker_embeddings == {}


@pytest.mark.parametrize("person", [0, 1])
@pytest.mark.parametrize("step", [0.1, 0.5])
def test_one_speaker(
    networks: Networks, pipeline: SpeakerDiarization, utterances: list[Samples], person: int, step: float
) -> None:
    """There is one voice; where a second one seems to be heard for a moment, it is nobody's."""
    result = diarized(networks, pipeline, wav(utterances[person]), segmentation_step=step)
    assert list(result.speaker_embeddings) == ["SPEAKER_00"]
    spoken = annotation(result.turns)
    assert spoken.label_duration("SPEAKER_00") > 0.9 * result.audio.duration
    assert spoken.get_overlap().duration() < 0.05 * result.audio.duration
    assert speakers(result.exclusive_turns) == ["SPEAKER_00"]


def test_eleven_speakers(networks: Networks, pipeline: SpeakerDiarization, utterances: list[Samples]) -> None:
    """More than are told apart in a window, and made out of two: some of them sound like others."""
    voices = [
        at_speed(utterance, speed)[: 4 * 16_000]
        for speed in np.geomspace(0.75, 1.35, 6)
        for utterance in utterances
    ][:11]
    result = diarized(networks, pipeline, wav(np.concatenate(voices)))
    assert result.audio.duration == 44.0
    assert 4 <= len(result.speakers) <= 13
    found = annotation(result.exclusive_turns)
    likeliest = [found.argmax(Segment(4.0 * at, 4.0 * (at + 1))) for at in range(11)]
    assert None not in likeliest
    assert len(set(likeliest)) >= 4


@pytest.mark.parametrize("options", [{}, {"num_speakers": 2}])
def test_two_who_speak_at_once_all_the_time(
    networks: Networks,
    pipeline: SpeakerDiarization,
    utterances: list[Samples],
    options: dict[str, int],
) -> None:
    length = min(map(len, utterances))
    both = np.sum([utterance[:length].astype(np.int32) for utterance in utterances], axis=0) // 2
    result = diarized(networks, pipeline, wav(np.tile(both, 2).astype(np.int16)), **options)
    assert 1 <= len(result.speakers) <= 3
    spoken = annotation(result.turns)
    assert spoken.get_timeline().support().duration() > 0.9 * result.audio.duration
    assert spoken.get_overlap().duration() > 0.1 * result.audio.duration
    assert not annotation(result.exclusive_turns).get_overlap()


def test_a_file_of_8_khz(
    networks: Networks, pipeline: SpeakerDiarization, talk: Samples, plain: DiarizationResult
) -> None:
    narrow = talk.reshape(-1, 2).mean(axis=1).astype(np.int16)
    result = diarized(networks, pipeline, wav(narrow, 8_000))
    assert (result.audio.sample_rate, result.audio.duration) == (8_000, STOP - START)
    assert result.speakers == plain.speakers
    assert error_rate(result.turns, annotation(plain.turns), STOP - START) < 0.1


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_stereo_file(
    networks: Networks, pipeline: SpeakerDiarization, talk: Samples, plain: DiarizationResult, rate: int
) -> None:
    """One of them on the left, and the other one on the right."""
    times = START + np.arange(len(talk)) / 16_000
    on_the_left = times < 14.4
    channels = [np.where(on_the_left, talk, 0), np.where(on_the_left, 0, talk)]
    channels = [np.repeat(channel, rate // 16_000) for channel in channels]
    result = diarized(networks, pipeline, file_of(channels, rate))
    assert (result.audio.channels, result.audio.sample_rate) == (2, rate)
    assert result.audio.duration == pytest.approx(STOP - START, abs=0.01)
    assert result.speakers == plain.speakers == ["SPEAKER_00", "SPEAKER_01"]
    assert error_rate(result.turns, annotation(plain.turns), STOP - START) < 0.1


@pytest.mark.parametrize("factor", [1 / 100, 30.0])
def test_faint_and_clipped(
    networks: Networks, pipeline: SpeakerDiarization, talk: Samples, factor: float
) -> None:
    loud = np.clip(talk * factor, -32_768, 32_767).astype(np.int16)
    result = diarized(networks, pipeline, wav(loud))
    assert 1 <= len(result.speakers) <= 3
    assert annotation(result.turns).get_timeline().support().duration() > 0.8 * result.audio.duration
