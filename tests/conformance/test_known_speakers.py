"""Known voices, through the conductor and the real networks: by a vector, or by a clip."""

import io
from base64 import b64encode

import av
import numpy as np
import pytest
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation

from tests.conformance.diarizing import Networks, Samples, error_rate, speakers
from tests.server.recordings import silence, silent_film, wav
from triologue.schema import DiarizationResult, InvalidOption, KnownSpeaker

FIRST, SECOND = "speaker90", "speaker91"
"""Of the reference."""


@pytest.fixture(scope="module")
def talk(sample: Samples) -> bytes:
    """A file of fourteen seconds of the sample, in which the first speaker comes first."""
    return wav(sample[8 * 16_000 : 22 * 16_000])


@pytest.fixture(scope="module")
def clips(sample: Samples, reference: Annotation) -> dict[str, Samples]:
    """Six seconds of each of the two, out of what they say alone."""
    made = {}
    for speaker in reference.labels():
        turns = reference.label_timeline(speaker).extrude(reference.get_overlap())
        pieces = [sample[int(turn.start * 16_000) : int(turn.end * 16_000)] for turn in turns]
        made[speaker] = np.concatenate(pieces)[-6 * 16_000 :]
    return made


@pytest.fixture(scope="module")
def plain(networks: Networks, pipeline: SpeakerDiarization, talk: bytes) -> DiarizationResult:
    """Nobody is known, and the voices are asked for."""
    return networks.diarize(pipeline, talk, speaker_embeddings=True)


def told(result: DiarizationResult, label: str, name: str) -> KnownSpeaker:
    return KnownSpeaker(name=name, embedding=result.speaker_embeddings[label])


def stranger(clip: Samples) -> Samples:
    """Somebody else: the same words, faster and higher."""
    return np.ascontiguousarray(clip[np.arange(0, len(clip) - 1, 1.45).astype(int)])


class TestClips:
    def test_give_their_names_to_the_right_speakers(
        self,
        networks: Networks,
        pipeline: SpeakerDiarization,
        sample: Samples,
        reference: Annotation,
        clips: dict[str, Samples],
    ) -> None:
        # In whatever order they are told.
        known = [KnownSpeaker.from_clip(name, wav(clips[name])) for name in (SECOND, FIRST)]
        result = networks.diarize(pipeline, wav(sample), known_speakers=known)
        assert speakers(result.turns) == [FIRST, SECOND]
        assert set(speakers(result.exclusive_turns)) == {FIRST, SECOND}
        assert result.known_speakers.keys() == {FIRST, SECOND}
        assert all(0.7 < similarity <= 1.0 for similarity in result.known_speakers.values())
        assert error_rate(result.turns, reference) <= 0.06
        assert share_right(result, reference) > 0.9

    @pytest.mark.parametrize(("name", "label"), [(FIRST, "SPEAKER_00"), (SECOND, "SPEAKER_01")])
    def test_of_one_leave_the_other_without_a_name(
        self,
        networks: Networks,
        pipeline: SpeakerDiarization,
        talk: bytes,
        clips: dict[str, Samples],
        name: str,
        label: str,
    ) -> None:
        known = [KnownSpeaker.from_clip(name, wav(clips[name]))]
        result = networks.diarize(pipeline, talk, known_speakers=known)
        expected = [name if each == label else each for each in ("SPEAKER_00", "SPEAKER_01")]
        assert speakers(result.turns) == expected
        assert list(result.known_speakers) == [name]

    def test_of_a_stranger_give_no_name(
        self,
        networks: Networks,
        pipeline: SpeakerDiarization,
        talk: bytes,
        clips: dict[str, Samples],
        plain: DiarizationResult,
    ) -> None:
        known = [KnownSpeaker.from_clip("Nobody", wav(stranger(clips[FIRST])))]
        result = networks.diarize(pipeline, talk, known_speakers=known)
        assert result.known_speakers == {}
        assert result.turns == plain.turns

    def test_of_the_other_speaker_give_no_name(
        self, networks: Networks, pipeline: SpeakerDiarization, clips: dict[str, Samples]
    ) -> None:
        known = [KnownSpeaker.from_clip(SECOND, wav(clips[SECOND]))]
        result = networks.diarize(pipeline, wav(clips[FIRST]), known_speakers=known, num_speakers=1)
        assert (result.known_speakers, result.speakers) == ({}, ["SPEAKER_00"])

    def test_may_be_any_kind_of_file(
        self, networks: Networks, pipeline: SpeakerDiarization, talk: bytes, clips: dict[str, Samples]
    ) -> None:
        known = [KnownSpeaker.from_clip("Ann", encoded(clips[SECOND], "ogg", "libopus"))]
        result = networks.diarize(pipeline, talk, known_speakers=known)
        assert speakers(result.turns) == ["SPEAKER_00", "Ann"]

    # pyannote takes the mean of no embeddings, and never looks at it.
    @pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
    @pytest.mark.parametrize("case", ["no audio", "silence", "a moment", "a film", "too long", "cut off"])
    def test_that_are_broken_are_refused_by_name(
        self, networks: Networks, pipeline: SpeakerDiarization, clips: dict[str, Samples], case: str
    ) -> None:
        whole = wav(clips[FIRST])
        clip, why = {
            "no audio": (b"Who is it?" * 99, "the upload is not a media file"),
            "silence": (silence(5.0), "nobody speaks long enough"),
            "a moment": (wav(clips[FIRST][:8_000]), "nobody speaks long enough"),
            "a film": (silent_film(), "the upload has no audio stream"),
            "too long": (silence(61.0), "the recording is longer than the 60 s"),
            "cut off": (whole[: len(whole) // 2], "the upload is truncated"),
        }[case]
        known = [
            KnownSpeaker.from_clip("Ann", wav(clips[SECOND])),
            KnownSpeaker(name="Zoë", clip=b64encode(clip).decode()),
        ]
        with pytest.raises(InvalidOption, match=r"^known_speakers: .*the clip of Zoë") as refused:
            networks.diarize(pipeline, wav(clips[FIRST][: 3 * 16_000]), known_speakers=known)
        assert why in refused.value.message


class TestEmbeddings:
    def test_of_an_earlier_answer_give_their_names(
        self,
        networks: Networks,
        pipeline: SpeakerDiarization,
        talk: bytes,
        plain: DiarizationResult,
    ) -> None:
        known = [told(plain, "SPEAKER_01", "Ann"), told(plain, "SPEAKER_00", "Bob")]
        result = networks.diarize(
            pipeline, talk, known_speakers=known, known_speaker_threshold=0.99, speaker_embeddings=True
        )
        assert speakers(result.turns) == ["Bob", "Ann"]
        assert result.known_speakers == {"Bob": 1.0, "Ann": 1.0}
        assert result.speaker_embeddings == {
            "Bob": plain.speaker_embeddings["SPEAKER_00"],
            "Ann": plain.speaker_embeddings["SPEAKER_01"],
        }

    def test_of_one_recording_are_recognised_in_another(
        self,
        networks: Networks,
        pipeline: SpeakerDiarization,
        sample: Samples,
        plain: DiarizationResult,
    ) -> None:
        """The end of the sample, where the first speaker begins and has the last word."""
        known = [told(plain, "SPEAKER_01", SECOND), told(plain, "SPEAKER_00", FIRST)]
        later = sample[int(17.95 * 16_000) :]
        result = networks.diarize(pipeline, wav(later), known_speakers=known)
        assert set(result.known_speakers) == {FIRST, SECOND}
        assert (result.turns[0].speaker, result.turns[-1].speaker) == (FIRST, FIRST)

    def test_are_told_only_when_asked_for(
        self, networks: Networks, pipeline: SpeakerDiarization, talk: bytes, plain: DiarizationResult
    ) -> None:
        assert plain.speaker_embeddings.keys() == {"SPEAKER_00", "SPEAKER_01"}
        assert {len(voice) for voice in plain.speaker_embeddings.values()} == {192}
        # As a caller gets it.
        assert DiarizationResult.model_validate_json(plain.model_dump_json()) == plain
        result = networks.diarize(pipeline, talk)
        assert result.speaker_embeddings == {}

    @pytest.mark.parametrize("values", [1, 191, 193, 256])
    def test_of_another_network_are_refused_by_name(
        self, networks: Networks, pipeline: SpeakerDiarization, talk: bytes, values: int
    ) -> None:
        known = [
            KnownSpeaker(name="Ann", embedding=(1.0,) * 192),
            KnownSpeaker(name="Zoë", embedding=(1.0,) * values),
        ]
        with pytest.raises(InvalidOption, match=rf"Zoë has {values} values, .* have 192;") as refused:
            networks.diarize(pipeline, talk, known_speakers=known)
        assert "Ann" not in refused.value.message

    def test_are_of_no_use_where_nobody_speaks(
        self, networks: Networks, pipeline: SpeakerDiarization
    ) -> None:
        known = [KnownSpeaker(name="Ann", embedding=(1.0,) * 192)]
        result = networks.diarize(pipeline, silence(3.0), known_speakers=known)
        assert (result.turns, result.known_speakers) == ([], {})


def share_right(result: DiarizationResult, reference: Annotation) -> float:
    """How much of what one person says alone is given to them by name."""
    right = whole = 0.0
    for turn, _, speaker in reference.extrude(reference.get_overlap()).itertracks(yield_label=True):
        whole += turn.duration
        right += sum(
            max(0.0, min(turn.end, own.time_interval.end) - max(turn.start, own.time_interval.start))
            for own in result.turns
            if own.speaker == speaker
        )
    return right / whole


def encoded(samples: Samples, container: str, codec: str, rate: int = 16_000) -> bytes:
    """A file of one channel."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            output.mux(packet)
    return file.getvalue()
