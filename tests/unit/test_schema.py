"""The wire contract: what is written on one side is read back the same on the other."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from triologue import schema
from triologue.schema import (
    AsrSegment,
    AsrTranscription,
    AsrTranscriptionInfo,
    AsrWord,
    AudioInfo,
    BatchedWhisperParams,
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    ErrorCode,
    InfoEvent,
    InvalidOption,
    KnownSpeaker,
    ProcessingInfo,
    ProgressEvent,
    PyannoteSpeakerDiarizationParams,
    ResultEvent,
    SegmentEvent,
    SpeakerDiarizationSegment,
    StreamParams,
    TimeInterval,
    TranscriptionResult,
    TriologueError,
    VadParameters,
    WhisperComputeType,
    WhisperModelSize,
    WhisperParams,
    parse_event,
    parse_parameters,
    to_parameters,
)
from triologue.schema.base import WireModel

# A value for every option, none of them the default.
OPTIONS: dict[str, Any] = {
    "language": "de",
    "beam_size": 3,
    "best_of": 2,
    "temperature": (0.0, 0.4),
    "mode": "sequential",
    "task": "translate",
    "word_timestamps": True,
    "without_timestamps": True,
    "vad_filter": False,
    "vad_parameters": VadParameters(threshold=0.4, min_silence_duration_ms=500),
    "patience": 1.5,
    "length_penalty": 0.5,
    "repetition_penalty": 1.2,
    "no_repeat_ngram_size": 3,
    "compression_ratio_threshold": 2.0,
    "log_prob_threshold": -0.5,
    "no_speech_threshold": 0.4,
    "hallucination_silence_threshold": 2.0,
    "condition_on_previous_text": False,
    "prompt_reset_on_temperature": 0.3,
    "initial_prompt": "Grüße aus Köln: [Musik]",
    "hotwords": "Triton pyannote",
    "prefix": "Well,",
    "suppress_blank": False,
    "suppress_tokens": (1, 2),
    "max_initial_timestamp": 2.0,
    "max_new_tokens": 100,
    "prepend_punctuations": "(",
    "append_punctuations": ".)",
    "multilingual": True,
    "language_detection_segments": 4,
    "language_detection_threshold": 0.7,
    "clip_timestamps": (0.5, 3.0),
    "num_speakers": 3,
    "min_speakers": 2,
    "max_speakers": 4,
    "clustering_threshold": 0.6,
    "segmentation_step": 0.25,
    "min_duration_off": 0.5,
    "speaker_embeddings": True,
    "known_speakers": (
        KnownSpeaker(name="Jürgen Groß", embedding=(0.25, -1.0)),
        KnownSpeaker(name="Ann", clip="UklGRg=="),
    ),
    "known_speaker_threshold": 0.7,
    "attribution": "word",
}
ERRORS = TriologueError.__subclasses__()

AUDIO = AudioInfo(duration=30.0, sample_rate=16000, channels=1)
PROCESSING = ProcessingInfo(seconds=5.0, rtfx=6.0)
WORD = AsrWord(word=" Hello.", time_interval=TimeInterval(start=6.69, end=7.12), alignment_confidence=0.9)
SEGMENT = AsrSegment(
    text=" Hello.", time_interval=TimeInterval(start=6.69, end=7.12), confidence=0.8, words=[WORD]
)
TURN = SpeakerDiarizationSegment(time_interval=TimeInterval(start=6.6, end=7.2), speaker="SPEAKER_00")
TRANSCRIPT: dict[str, Any] = {
    "audio": AUDIO,
    "processing": PROCESSING,
    "segments": [SEGMENT],
    "transcription_info": AsrTranscriptionInfo(language="en", language_confidence=0.98),
    "transcription": AsrTranscription(text="Hello."),
}
RESULTS = [
    TranscriptionResult(**TRANSCRIPT),
    DiarizationResult(audio=AUDIO, processing=PROCESSING, turns=[TURN], warnings=["one speaker"]),
    DiarizedTranscriptionResult(**TRANSCRIPT, turns=[TURN]),
    DiarizedTranscriptionResult(
        **TRANSCRIPT,
        turns=[TURN],
        exclusive_turns=[TURN],
        speaker_embeddings={"SPEAKER_00": (0.25, -1.0), "Jürgen Groß": (1.0, 1e-9)},
        known_speakers={"Jürgen Groß": 0.83},
    ),
]


def test_every_option_has_a_value_here() -> None:
    assert OPTIONS.keys() == DiarizedAsrOptions.model_fields.keys()


@pytest.mark.parametrize("options", [DiarizedAsrOptions, VadParameters, KnownSpeaker, StreamParams])
def test_every_option_is_described(options: type[WireModel]) -> None:
    assert all(field.description for field in options.model_fields.values())


@pytest.mark.parametrize("name", OPTIONS)
def test_option_survives_the_wire(name: str) -> None:
    options = DiarizedAsrOptions(**{name: OPTIONS[name]})
    parameters = to_parameters(options)
    assert list(parameters) == [name]
    assert isinstance(parameters[name], bool | int | float | str)
    assert parse_parameters(DiarizedAsrOptions, parameters) == options


@pytest.mark.parametrize("name", OPTIONS)
def test_option_is_read_from_text(name: str) -> None:
    value = OPTIONS[name]
    text = value if isinstance(value, str) else json.dumps(value, default=WireModel.model_dump)
    assert getattr(parse_parameters(DiarizedAsrOptions, {name: text}), name) == value


def test_all_options_together() -> None:
    options = DiarizedAsrOptions(**OPTIONS)
    assert parse_parameters(DiarizedAsrOptions, to_parameters(options)) == options


def test_options_that_were_not_set_do_not_travel() -> None:
    assert to_parameters(WhisperParams()) == {}
    assert to_parameters(WhisperParams(beam_size=5)) == {"beam_size": 5}


@pytest.mark.parametrize(
    ("text", "ladder"), [("0", (0.0,)), ("0.4", (0.4,)), ("[0.0, 0.2]", (0.0, 0.2)), (" [1] ", (1.0,))]
)
def test_temperature_as_text(text: str, ladder: tuple[float, ...]) -> None:
    assert parse_parameters(WhisperParams, {"temperature": text}).temperatures == ladder


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("language", "xx"),
        ("beam_size", 0),
        ("beam_size", 21),
        ("beam_size", "many"),
        ("best_of", 0),
        ("temperature", 1.1),
        ("temperature", "[0.0, 2.0]"),
        ("temperature", "[]"),
        ("temperature", "[0.0, 0.2"),
        ("mode", "fast"),
        ("task", "summarize"),
        ("word_timestamps", "perhaps"),
        ("vad_parameters", "strict"),
        ("vad_parameters", "[0.4]"),
        ("vad_parameters", '{"threshold": 0.4'),
        ("patience", 0.0),
        ("length_penalty", 2.5),
        ("repetition_penalty", 0.0),
        ("no_repeat_ngram_size", -1),
        ("compression_ratio_threshold", 0.0),
        ("log_prob_threshold", 0.5),
        ("no_speech_threshold", 1.5),
        ("hallucination_silence_threshold", -1.0),
        ("hallucination_silence_threshold", "inf"),
        ("condition_on_previous_text", "null"),
        ("prompt_reset_on_temperature", 1.5),
        ("initial_prompt", "a" * 10_001),
        ("hotwords", "a" * 10_001),
        ("num_speakers", 0),
        ("min_speakers", 101),
        ("max_speakers", 2.5),
        ("clustering_threshold", 0.0),
        ("clustering_threshold", 2.1),
        ("clustering_threshold", "nan"),
        ("segmentation_step", 0.04),
        ("segmentation_step", 1.1),
        ("segmentation_step", "nan"),
        ("segmentation_step", "null"),
        ("min_duration_off", -0.1),
        ("min_duration_off", 60.1),
        ("speaker_embeddings", "perhaps"),
        ("known_speakers", "voices.json"),
        ("known_speakers", '{"name": "Ann", "embedding": [1.0]}'),
        ("known_speakers", '[{"name": "Ann", "embedding": [1.0]'),
        ("known_speakers", json.dumps([{"name": str(at), "embedding": [1.0]} for at in range(101)])),
        ("known_speaker_threshold", -0.1),
        ("known_speaker_threshold", 1.1),
    ],
)
def test_refused_value_names_the_option(name: str, value: bool | int | float | str) -> None:
    with pytest.raises(InvalidOption, match=f"^{name}: ") as caught:
        parse_parameters(DiarizedAsrOptions, {name: value})
    assert "\n" not in caught.value.message


def test_unknown_option_is_named_and_the_known_ones_listed() -> None:
    with pytest.raises(InvalidOption, match=r"^beamsize: no such option; .*\bbeam_size\b"):
        parse_parameters(WhisperParams, {"beamsize": 5})
    with pytest.raises(InvalidOption, match=r"^num_speakers: no such option"):
        parse_parameters(WhisperParams, {"num_speakers": 2})


@pytest.mark.parametrize(
    ("bounds", "named"),
    [
        ({"min_speakers": 3, "max_speakers": 2}, "min_speakers"),
        ({"num_speakers": 1, "min_speakers": 2}, "num_speakers"),
        ({"num_speakers": 5, "max_speakers": 4}, "num_speakers"),
    ],
)
def test_contradicting_speaker_bounds(bounds: dict[str, int], named: str) -> None:
    with pytest.raises(InvalidOption, match=f"^{named}: "):
        parse_parameters(PyannoteSpeakerDiarizationParams, bounds)


def test_every_code_has_one_error() -> None:
    assert sorted(error.code for error in ERRORS) == sorted(ErrorCode)


@pytest.mark.parametrize("error_type", ERRORS)
@pytest.mark.parametrize(
    "before",
    [
        "",
        "in ensemble 'diarized_asr', ",
        "Failed to process the request(s) for model instance 'asr_0_0', message: TritonModelException: ",
    ],
)
def test_error_survives_the_wire(error_type: type[TriologueError], before: str) -> None:
    error = error_type("model 'INTERNAL: x' said: no, 5 > 4")
    read = TriologueError.from_wire(before + error.to_wire())
    assert type(read) is error_type
    assert read.message == error.message


@pytest.mark.parametrize(
    "text", ["", "Request for unknown model: 'x' is not found", "INVALID_AUDIO", "NOPE: x"]
)
def test_text_without_a_code_is_no_error_of_ours(text: str) -> None:
    assert TriologueError.from_wire(text) is None


@pytest.mark.parametrize(
    "event",
    [
        InfoEvent(audio=AUDIO),
        ProgressEvent(stage="embedding", completed=12.5, total=30.0),
        SegmentEvent(segment=SEGMENT),
        *[ResultEvent(result=result) for result in RESULTS],
    ],
    ids=lambda event: event.type,
)
def test_event_survives_the_wire(event: InfoEvent | ProgressEvent | SegmentEvent | ResultEvent) -> None:
    assert parse_event(event.model_dump_json()) == event


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.type)
def test_a_result_in_an_event_keeps_its_class(result: TranscriptionResult | DiarizationResult) -> None:
    event = parse_event(ResultEvent(result=result).model_dump_json())
    assert isinstance(event, ResultEvent)
    assert type(event.result) is type(result)


@pytest.mark.parametrize("text", ['{"type": "applause"}', "{}", "", '{"type": "info", "audio": null}'])
def test_other_text_is_no_event(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_event(text)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.type)
def test_what_a_newer_server_adds_is_left_alone(result: TranscriptionResult | DiarizationResult) -> None:
    def with_more(value: Any, name: str = "") -> Any:
        if isinstance(value, list | tuple):
            return [with_more(inner) for inner in value]
        if not isinstance(value, dict) or name in {"stages", "speaker_embeddings", "known_speakers"}:
            return value
        return {name: with_more(inner, name) for name, inner in value.items()} | {"mood": 0.5}

    newer = with_more(result.model_dump())
    newer["processing"]["stages"]["applauding"] = 1.0
    read = type(result).model_validate_json(json.dumps(newer))
    assert read.processing.stages.pop("applauding") == 1.0
    assert read == result


def test_overlap_of_intervals() -> None:
    first = TimeInterval(start=1.0, end=3.0)
    assert first.duration == 2.0
    assert first.overlap(TimeInterval(start=2.5, end=9.0)) == 0.5
    assert first.overlap(TimeInterval(start=1.5, end=2.0)) == 0.5
    assert first.overlap(TimeInterval(start=3.0, end=4.0)) == 0.0


def test_speakers_are_listed_once_and_sorted() -> None:
    turns = [
        TURN.model_copy(update={"speaker": speaker}) for speaker in ("SPEAKER_01", "SPEAKER_00", "SPEAKER_01")
    ]
    result = DiarizationResult(audio=AUDIO, processing=PROCESSING, turns=turns)
    assert result.speakers == ["SPEAKER_00", "SPEAKER_01"]


def test_defaults_are_those_of_the_aana_sdk() -> None:
    params = WhisperParams()
    assert params.model_dump(
        include={"language", "beam_size", "best_of", "temperature", "without_timestamps", "word_timestamps"}
    ) == {
        "language": None,
        "beam_size": 5,
        "best_of": 5,
        "temperature": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        "without_timestamps": None,
        "word_timestamps": False,
    }
    assert params.vad_filter is True
    assert params.task == "transcribe"
    assert BatchedWhisperParams().temperatures == params.temperatures
    bounds = {"num_speakers", "min_speakers", "max_speakers"}
    assert set(PyannoteSpeakerDiarizationParams().model_dump(include=bounds).values()) == {None}


def test_names_of_sizes_and_compute_types() -> None:
    assert {size.value for size in WhisperModelSize} == set(
        "tiny tiny.en base base.en small small.en medium medium.en "
        "large-v1 large-v2 large-v3 large turbo".split()
    )
    assert {kind.value for kind in WhisperComputeType} == set(
        "int8 int8_float32 int8_float16 int8_bfloat16 int16 float16 bfloat16 float32".split()
    )


def test_public_names_exist_and_are_sorted() -> None:
    assert schema.__all__ == sorted(schema.__all__)
    assert all(hasattr(schema, name) for name in schema.__all__)


def test_none_that_turns_a_check_off_survives_the_wire() -> None:
    options = WhisperParams(log_prob_threshold=None, language=None)
    parameters = to_parameters(options)
    assert parameters == {"log_prob_threshold": "null"}
    assert parse_parameters(WhisperParams, parameters).log_prob_threshold is None


def test_a_model_travels_as_json_text_of_what_was_set() -> None:
    options = WhisperParams(vad_parameters=VadParameters(threshold=0.4, speech_pad_ms=None))
    parameters = to_parameters(options)
    assert parameters == {"vad_parameters": '{"threshold": 0.4, "speech_pad_ms": null}'}
    assert parse_parameters(WhisperParams, parameters) == options


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"threshold": 0.4}, VadParameters(threshold=0.4)),
        (VadParameters(threshold=0.4), VadParameters(threshold=0.4)),
        (' {"threshold": 0.4} ', VadParameters(threshold=0.4)),
        ("{}", VadParameters()),
        ("null", None),
        (None, None),
    ],
)
def test_a_model_is_read_from_python_and_from_text(value: object, expected: VadParameters | None) -> None:
    assert parse_parameters(WhisperParams, {"vad_parameters": value}).vad_parameters == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{"threshold": 2}', r"vad_parameters\.threshold: input should be less than 1 \(got 2\)"),
        ({"threshold": "loud"}, r"vad_parameters\.threshold: .*valid number"),
        ('{"speech_pad_ms": 0.5}', r"vad_parameters\.speech_pad_ms: "),
        ('{"treshold": 0.4}', r"vad_parameters\.treshold: extra inputs are not permitted"),
        (
            {"threshold": 0.4, "neg_threshold": 0.5},
            r"vad_parameters: neg_threshold 0\.5 is above threshold 0\.4",
        ),
    ],
)
def test_refused_value_inside_a_model_is_named_with_its_option(value: object, message: str) -> None:
    with pytest.raises(InvalidOption, match=f"^{message}"):
        parse_parameters(WhisperParams, {"vad_parameters": value})


@pytest.mark.parametrize(
    "fields",
    [
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": 0.4, "neg_threshold": 0.41},
        {"min_speech_duration_ms": -1},
        {"max_speech_duration_s": 0.5},
        {"neg_threshold": 0.51},
        {"max_speech_duration_s": 1.0, "speech_pad_ms": 500},
        {"min_silence_duration_ms": 60_001},
        {"speech_pad_ms": 10_001},
    ],
)
def test_vad_parameters_that_make_no_sense(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        VadParameters.model_validate(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"threshold": 0.4, "neg_threshold": 0.4},
        {"neg_threshold": 0.2},
        {"max_speech_duration_s": 1.0},
        {"max_speech_duration_s": 1.1, "speech_pad_ms": 500},
    ],
)
def test_vad_parameters_at_their_limits(fields: dict[str, float]) -> None:
    assert VadParameters.model_validate(fields).model_dump(exclude_none=True) == fields


def test_text_that_looks_like_a_list_stays_text() -> None:
    prompt = '["Anna", "Ben"]'
    assert parse_parameters(WhisperParams, {"initial_prompt": prompt}).initial_prompt == prompt


def test_a_traceback_of_triton_is_no_part_of_the_message() -> None:
    error = TriologueError.from_wire("INVALID_AUDIO: no audio stream\n\nAt:\n  model.py(13): execute")
    assert error is not None
    assert error.message == "no audio stream"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clustering_threshold", 2.0),
        ("segmentation_step", 0.05),
        ("segmentation_step", 1.0),
        ("min_duration_off", 0.0),
        ("min_duration_off", 60.0),
        ("known_speaker_threshold", 0.0),
        ("known_speaker_threshold", 1.0),
    ],
)
def test_options_of_a_diarization_at_their_limits(name: str, value: float) -> None:
    assert getattr(parse_parameters(PyannoteSpeakerDiarizationParams, {name: value}), name) == value


def test_known_speakers_travel_as_json_text_of_what_was_set() -> None:
    parameters = to_parameters(DiarizedAsrOptions(known_speakers=OPTIONS["known_speakers"]))
    assert isinstance(parameters["known_speakers"], str)
    assert json.loads(parameters["known_speakers"]) == [
        {"name": "Jürgen Groß", "embedding": [0.25, -1.0]},
        {"name": "Ann", "clip": "UklGRg=="},
    ]


@pytest.mark.parametrize(
    ("speaker", "message"),
    [
        ({"embedding": [1.0]}, r"\.name: field required"),
        ({"name": "", "embedding": [1.0]}, r"\.name: string should have at least 1 character"),
        ({"name": "A" * 201, "embedding": [1.0]}, r"\.name: string should have at most 200 characters"),
        ({"name": " \u3000", "embedding": [1.0]}, r"\.name: give a name that is not blank"),
        ({"name": "Ann\nLee", "embedding": [1.0]}, r"\.name: give a name without control characters"),
        ({"name": "Ann\u2028Lee", "embedding": [1.0]}, r"\.name: give a name without control characters"),
        ({"name": "SPEAKER_00", "embedding": [1.0]}, r"\.name: give a name other .* \(got 'SPEAKER_00'\)"),
        ({"name": "SPEAKER_123", "clip": "UklGRg=="}, r"\.name: give a name other "),
        ({"name": "Ann"}, ": give either an embedding or a clip"),
        ({"name": "Ann", "embedding": [1.0], "clip": "UklGRg=="}, ": give either an embedding or a clip"),
        ({"name": "Ann", "embedding": []}, r"\.embedding: .* at least 1 item"),
        ({"name": "Ann", "embedding": [1.0] * 4097}, r"\.embedding: .* at most 4096 items"),
        ({"name": "Ann", "embedding": [0.0, 0.0]}, r"\.embedding: give finite numbers that are not all zero"),
        ({"name": "Ann", "embedding": [1.0, float("nan")]}, r"\.embedding: give finite numbers"),
        ({"name": "Ann", "embedding": [1.0, float("-inf")]}, r"\.embedding: give finite numbers"),
        ({"name": "Ann", "embedding": [1.0, "much"]}, r"\.embedding\.1: input should be a valid number"),
        ({"name": "Ann", "clip": "RIFF?"}, r"\.clip: give the bytes of an audio file as base64 text"),
        ({"name": "Ann", "clip": "Zoë="}, r"\.clip: give the bytes of an audio file as base64 text"),
        ({"name": "Ann", "clip": "UklGRg="}, r"\.clip: give the bytes of an audio file as base64 text"),
        ({"name": "Ann", "clip": ""}, r"\.clip: give a file that is not empty"),
        ({"name": "Ann", "voice": [1.0]}, r"\.voice: extra inputs are not permitted"),
    ],
)
def test_refused_speaker_is_named_with_its_field(speaker: dict[str, Any], message: str) -> None:
    speakers = json.dumps([{"name": "Ben", "embedding": [1.0]}, speaker])
    with pytest.raises(InvalidOption, match=rf"^known_speakers\.1{message}") as caught:
        parse_parameters(PyannoteSpeakerDiarizationParams, {"known_speakers": speakers})
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["A" * 200, "SPEAKER", "SPEAKER_", "SPEAKER_00 (A)", "José O'Neill", "佐藤"])
def test_names_that_are_taken(name: str) -> None:
    assert KnownSpeaker(name=name, embedding=(1.0,) * 4096).name == name


def test_known_names_are_unique() -> None:
    twice = [KnownSpeaker(name=name, embedding=(1.0,)) for name in ("Ann", "Ben", "Ann")]
    with pytest.raises(InvalidOption, match=r"^known_speakers: 'Ann' is there more than once"):
        parse_parameters(PyannoteSpeakerDiarizationParams, {"known_speakers": twice})


def test_messages_quote_no_voices() -> None:
    voice = [0.123456789] * 192
    for speakers in (
        [{"name": "Ann", "embedding": voice}, {"name": "Ann", "embedding": voice}],
        [{"name": "Ann", "embedding": voice, "clip": "UklGRg=="}],
        [{"name": "Ann", "clip": "0.123456789!" * 100}],
    ):
        with pytest.raises(InvalidOption) as caught:
            parse_parameters(PyannoteSpeakerDiarizationParams, {"known_speakers": speakers})
        assert "0.123" not in caught.value.message
    assert "0.123" not in repr(KnownSpeaker(name="Ann", embedding=tuple(voice)))


def test_a_speaker_known_by_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "ann.wav"
    path.write_bytes(b"RIFF\x00\xff")
    assert KnownSpeaker.from_clip("Ann", path) == KnownSpeaker(name="Ann", clip="UklGRgD/")
    assert KnownSpeaker.from_clip("Ann", path.read_bytes()).clip == "UklGRgD/"
    with pytest.raises(FileNotFoundError):
        KnownSpeaker.from_clip("Ann", tmp_path / "missing.wav")
    with pytest.raises(ValueError, match="not empty"):
        KnownSpeaker.from_clip("Ann", b"")


def test_an_answer_of_an_older_server_tells_turns_alone() -> None:
    old = {"audio": AUDIO, "processing": PROCESSING, "turns": [TURN]}
    result = DiarizationResult.model_validate(old)
    assert (result.exclusive_turns, result.speaker_embeddings, result.known_speakers) == ([], {}, {})


def test_both_diarized_results_say_the_same_of_speakers() -> None:
    about_speakers = {"turns", "exclusive_turns", "speaker_embeddings", "known_speakers"}
    assert DiarizationResult.model_fields.keys() - TranscriptionResult.model_fields.keys() == about_speakers
    assert (
        DiarizedTranscriptionResult.model_fields.keys() - TranscriptionResult.model_fields.keys()
        == about_speakers
    )
