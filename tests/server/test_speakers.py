"""Speakers with names, vectors of voices, and the other options of a diarization, through Triton."""

import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pyannote.core import Annotation, Segment, Timeline
from pyannote.database.util import load_rttm
from pyannote.metrics.diarization import DiarizationErrorRate

from tests.server.recordings import silence, wav
from triologue import Client, DiarizationResult, InvalidAudio, InvalidOption, KnownSpeaker
from triologue_server.triton.server import TritonServer

# Who is who in the reference, and where they speak alone.
CLIPS = {"Diane": ("speaker90", 10.6, 14.4), "Sheila O'Neil": ("speaker91", 21.8, 27.8)}


@pytest.fixture(scope="module")
def reference(sample: Path) -> Annotation:
    return load_rttm(sample.with_suffix(".rttm"))["sample"]


@pytest.fixture(scope="module")
def clips(sample: Path) -> dict[str, bytes]:
    with wave.open(str(sample)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return {
        name: wav(samples[round(start * 16_000) : round(end * 16_000)])
        for name, (_, start, end) in CLIPS.items()
    }


def whose(result: DiarizationResult, name: str) -> Timeline:
    return Timeline(
        Segment(turn.time_interval.start, turn.time_interval.end)
        for turn in result.turns
        if turn.speaker == name
    ).support()


def test_people_are_called_by_their_names(
    client: Client, sample: Path, clips: dict[str, bytes], reference: Annotation
) -> None:
    known = (
        client.enroll(clips["Diane"], "Diane"),
        KnownSpeaker.from_clip("Sheila O'Neil", clips["Sheila O'Neil"]),
    )
    result = client.diarize(sample, known_speakers=known)
    assert result.speakers == sorted(CLIPS)
    assert set(result.known_speakers) == set(CLIPS)
    assert all(0.5 <= similarity <= 1.0 for similarity in result.known_speakers.values())
    for name, (speaker, *_) in CLIPS.items():
        theirs = reference.label_timeline(speaker)
        right = whose(result, name).crop(theirs).duration()
        assert right > 0.8 * theirs.duration()


def test_words_carry_the_names(http: Client, sample: Path, clips: dict[str, bytes]) -> None:
    known = KnownSpeaker.from_clip("Diane", clips["Diane"])
    result = http.transcribe_diarized(sample, known_speakers=(known,))
    assert result.speakers == ["Diane", "SPEAKER_01"]
    says = {
        speaker: " ".join(
            word.word for segment in result.segments for word in segment.words if word.speaker == speaker
        )
        for speaker in result.speakers
    }
    assert "Diane in New Jersey" in says["Diane"].replace("  ", " ")
    assert set(result.known_speakers) == {"Diane"}


def test_a_stranger_is_not_recognised(http: Client, sample: Path, clips: dict[str, bytes]) -> None:
    voice = http.enroll(clips["Diane"], "Diane").embedding
    assert voice is not None
    opposite = KnownSpeaker(name="Nobody", embedding=tuple(-value for value in voice))
    result = http.diarize(sample, known_speakers=(opposite,))
    assert result.speakers == ["SPEAKER_00", "SPEAKER_01"]
    assert result.known_speakers == {}


def test_voices_are_told_on_request(http: Client, sample: Path) -> None:
    plain = http.diarize(sample)
    assert plain.speaker_embeddings == {}
    result = http.diarize(sample, speaker_embeddings=True)
    assert set(result.speaker_embeddings) == set(result.speakers) == set(plain.speakers)
    one, other = (np.array(vector) for vector in result.speaker_embeddings.values())
    assert one.shape == other.shape == (192,)
    assert one @ other < 0.9 * np.linalg.norm(one) * np.linalg.norm(other)


@pytest.mark.parametrize(
    ("speaker", "message"),
    [
        (
            KnownSpeaker(name="Ann", embedding=(1.0, 2.0)),
            "known_speakers: the embedding of Ann has 2 values, and those of this server's network have 192",
        ),
        (KnownSpeaker.from_clip("Ann", b"no audio"), "known_speakers: the clip of Ann: the upload is not a"),
        (
            KnownSpeaker.from_clip("Ann", silence(3.0)),
            "known_speakers: nobody speaks long enough in the clip of Ann",
        ),
        (
            KnownSpeaker.from_clip("Ann", silence(61.0)),
            "known_speakers: the clip of Ann: the recording is longer",
        ),
    ],
)
def test_a_voice_that_cannot_be_known_is_refused(
    client: Client, sample: Path, speaker: KnownSpeaker, message: str
) -> None:
    with pytest.raises(InvalidOption, match=message):
        client.diarize(sample, known_speakers=(speaker,))


def test_a_clip_in_which_nobody_speaks_enrols_nobody(http: Client) -> None:
    with pytest.raises(InvalidAudio):
        http.enroll(silence(3.0), "Ann")


def test_exclusive_turns_do_not_overlap(http: Client, sample: Path) -> None:
    result = http.diarize(sample)
    times = [(turn.time_interval.start, turn.time_interval.end) for turn in result.exclusive_turns]
    assert all(first[1] <= second[0] for first, second in pairwise(times))
    spoken = Timeline(Segment(*time) for time in times).support()
    turns = Timeline(
        Segment(turn.time_interval.start, turn.time_interval.end) for turn in result.turns
    ).support()
    assert spoken.duration() == pytest.approx(turns.duration(), abs=0.2)
    assert len(turns) < len(result.turns)


def test_options_reach_the_networks_and_the_clustering(
    triton: TritonServer, sample: Path, reference: Annotation
) -> None:
    with Client(triton.grpc_url) as client:
        coarse = client.diarize(sample, segmentation_step=0.5)
        joined = client.diarize(sample, min_duration_off=5.0)
        apart = client.diarize(sample, clustering_threshold=0.3)
        together = client.diarize(sample, clustering_threshold=2.0)
    hypothesis = Annotation()
    for track, turn in enumerate(coarse.turns):
        hypothesis[Segment(turn.time_interval.start, turn.time_interval.end), track] = turn.speaker
    assert DiarizationErrorRate()(reference, hypothesis) < 0.12
    assert len(joined.turns) < len(coarse.turns)
    assert len(apart.speakers) > 2
    assert len(together.speaker_embeddings) == 0
    assert len(together.speakers) < len(apart.speakers)


def test_a_bound_that_cannot_be_met_is_told(http: Client, sample: Path) -> None:
    result = http.diarize(sample, min_speakers=50)
    (warning,) = result.warnings
    assert warning.startswith("at least 50 speakers were asked for, but ")
