"""The sample conversation, end to end: right words, right speakers, over every way in."""

import json
import struct
from pathlib import Path

import httpx
import pytest
from pyannote.core import Annotation, Segment
from pyannote.database.util import load_rttm
from pyannote.metrics.diarization import DiarizationErrorRate

from triologue import (
    Client,
    DiarizedTranscriptionResult,
    SpeakerDiarizationSegment,
    TranscriptionResult,
    VadParameters,
)
from triologue_server.triton.server import TritonServer

# What is said first, and by which of the reference's speakers.
OPENING = [
    ("Hello.", "speaker90"),
    ("Hello.", "speaker91"),
    *((word, "speaker90") for word in "Oh, hello. I didn't know you were there.".split()),
    *((word, "speaker91") for word in "Neither did I.".split()),
]


@pytest.fixture(scope="module")
def reference(sample: Path) -> Annotation:
    return load_rttm(sample.with_suffix(".rttm"))["sample"]


@pytest.fixture(scope="module")
def result(triton: TritonServer, sample: Path) -> DiarizedTranscriptionResult:
    with Client(triton.grpc_url) as client:
        return client.transcribe_diarized(sample)


def annotation(turns: list[SpeakerDiarizationSegment]) -> Annotation:
    hypothesis = Annotation()
    for track, turn in enumerate(turns):
        hypothesis[Segment(turn.time_interval.start, turn.time_interval.end), track] = turn.speaker
    return hypothesis


def test_two_speakers_and_few_diarization_errors(
    result: DiarizedTranscriptionResult, reference: Annotation
) -> None:
    assert result.speakers == ["SPEAKER_00", "SPEAKER_01"]
    # No collar, overlapped speech scored.
    assert DiarizationErrorRate()(reference, annotation(result.turns)) <= 0.06


def test_the_opening_has_its_words_and_speakers(
    result: DiarizedTranscriptionResult, reference: Annotation
) -> None:
    mapping = DiarizationErrorRate().optimal_mapping(reference, annotation(result.turns))
    words = [word for segment in result.segments for word in segment.words]
    said = [(word.word.strip(), mapping[word.speaker]) for word in words]
    assert said[: len(OPENING)] == OPENING


def test_segments_hold_their_words_in_order(result: DiarizedTranscriptionResult) -> None:
    words = [word for segment in result.segments for word in segment.words]
    starts = [word.time_interval.start for word in words]
    assert starts == sorted(starts)
    for segment in result.segments:
        assert segment.text == "".join(word.word for word in segment.words)
        assert {word.speaker for word in segment.words} == {segment.speaker}
        assert segment.time_interval.start == segment.words[0].time_interval.start
        assert 0.0 < segment.confidence <= 1.0  # type: ignore[operator]
    assert words[-1].time_interval.end <= result.audio.duration


def test_language_audio_and_speed_are_told(result: DiarizedTranscriptionResult) -> None:
    assert result.transcription_info.language == "en"
    assert result.transcription_info.language_confidence > 0.9
    assert (result.audio.duration, result.audio.sample_rate, result.audio.channels) == (30.0, 16_000, 1)
    assert result.processing.rtfx == pytest.approx(30.0 / result.processing.seconds, rel=0.01)


def test_diarized_transcription_over_each_transport(
    client: Client, sample: Path, result: DiarizedTranscriptionResult
) -> None:
    again = client.transcribe_diarized(sample)
    assert (again.segments, again.turns) == (result.segments, result.turns)


def test_transcription_over_each_transport(client: Client, sample: Path) -> None:
    result = client.transcribe(sample, language="en", beam_size=1)
    assert "I'm originally from Chicago also." in result.text
    assert result.transcription_info.language_confidence == 1.0
    assert [segment.words for segment in result.segments] == [[]] * len(result.segments)
    assert len(result.segments) > 5


def test_words_on_request(http: Client, sample: Path) -> None:
    result = http.transcribe(sample, word_timestamps=True)
    assert all(segment.words for segment in result.segments)


def test_without_speech_detection_the_whole_recording_is_heard(http: Client, sample: Path) -> None:
    result = http.transcribe(sample, vad_filter=False)
    assert "I didn't know you were there." in result.text


def test_only_the_clips_are_transcribed(http: Client, sample: Path) -> None:
    result = http.transcribe(sample, clip_timestamps=(14.2, 17.8))
    assert "Texas" in result.text
    assert "Hello" not in result.text
    assert 14.2 <= result.segments[0].time_interval.start < result.segments[-1].time_interval.end <= 17.8


def test_sequential_mode_tells_each_window_what_was_said(http: Client, sample: Path) -> None:
    options = {"mode": "sequential", "vad_filter": False, "temperature": 0.0}
    told = http.transcribe(sample, **options)
    assert told.text.startswith("Hello.")
    assert len(told.segments) > 5
    assert told.text != http.transcribe(sample, initial_prompt="hello hello oh hello", **options).text


@pytest.mark.parametrize("mode", ["batched", "sequential"])
def test_what_counts_as_speech_can_be_said(client: Client, sample: Path, mode: str) -> None:
    too_short = VadParameters(min_speech_duration_ms=40_000)
    result = client.transcribe(sample, mode=mode, vad_parameters=too_short)
    assert (result.text, result.transcription_info.language) == ("", "silence")


def test_options_without_effect_are_told(http: Client, sample: Path) -> None:
    result = http.transcribe(sample, clip_timestamps=(6.0, 8.0), hallucination_silence_threshold=2.0)
    assert result.warnings == [
        "hallucination_silence_threshold: has no effect in batched mode",
        "hallucination_silence_threshold: has no effect without word_timestamps",
    ]


def test_diarization_over_each_transport(client: Client, sample: Path) -> None:
    """Without a transcript there are no phrases whose voices could tell more."""
    by_times = client.transcribe_diarized(sample, attribution="word")
    assert client.diarize(sample).turns == by_times.turns


def test_attribution(http: Client, sample: Path, reference: Annotation) -> None:
    errors = {}
    for attribution in ("voice", "word", "sentence"):
        found = http.transcribe_diarized(sample, attribution=attribution)
        words = [word for segment in found.segments for word in segment.words]
        assert {word.speaker for word in words} == {"SPEAKER_00", "SPEAKER_01"}
        assert {word.speaker_confidence is None for word in words} == {attribution == "sentence"}
        errors[attribution] = DiarizationErrorRate()(reference, annotation(found.turns))
    assert errors["voice"] <= errors["word"] == errors["sentence"]


def test_the_number_of_speakers_can_be_fixed(http: Client, sample: Path) -> None:
    assert http.diarize(sample, num_speakers=1).speakers == ["SPEAKER_00"]


def test_a_number_of_speakers_that_cannot_be_met_is_a_warning(http: Client, sample: Path) -> None:
    result = http.diarize(sample, num_speakers=60)
    assert len(result.speakers) < 60
    assert [warning.startswith("exactly 60 speakers were asked for") for warning in result.warnings] == [True]


def test_a_recording_is_transcribed_by_its_bytes_alone(triton: TritonServer, sample: Path) -> None:
    # What `curl --data-binary @sample.wav -H "Inference-Header-Content-Length: 0"` sends.
    reply = httpx.post(
        f"{triton.http_url}/v2/models/transcription/infer",
        content=sample.read_bytes(),
        headers={"Inference-Header-Content-Length": "0"},
        timeout=120,
    )
    assert reply.status_code == 200
    body = reply.content[int(reply.headers["Inference-Header-Content-Length"]) :]
    (length,) = struct.unpack_from("<I", body)
    result = TranscriptionResult.model_validate_json(body[4 : 4 + length])
    assert result.text.startswith("Hello.")


def test_options_of_every_scalar_type_pass_as_json(triton: TritonServer) -> None:
    options = {"beam_size": 2, "patience": 1.5, "word_timestamps": True, "temperature": "[0.0, 0.4]"}
    reply = httpx.post(
        f"{triton.http_url}/v2/models/transcription/generate", json={"AUDIO": "no audio", **options}
    )
    # The options were taken; the text is no recording.
    assert json.loads(reply.text)["error"].startswith("INVALID_AUDIO: ")
