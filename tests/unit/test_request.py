"""What a caller of the stream model asks for, read from request parameters."""

from typing import Any

import pytest

from triologue.schema import DiarizedAsrOptions, InvalidOption, StreamParams, VadParameters, WhisperParams
from triologue_server.conductor.request import read_parameters, without_effect


def test_nothing_asked_for() -> None:
    assert read_parameters({}) == (StreamParams(pipeline="diarized_asr", events="all"), DiarizedAsrOptions())


def test_stream_and_pipeline_are_told_apart() -> None:
    stream, options = read_parameters(
        {"pipeline": "transcription", "events": "result", "language": "de", "beam_size": 3}
    )
    assert stream == StreamParams(pipeline="transcription", events="result")
    assert options == DiarizedAsrOptions(language="de", beam_size=3)


def test_only_what_was_given_counts_as_set() -> None:
    """What is unset does not travel on to the cores."""
    _, options = read_parameters({"pipeline": "diarization", "num_speakers": 2})
    assert options.model_fields_set == {"num_speakers"}


def test_values_may_be_text() -> None:
    _, options = read_parameters(
        {
            "beam_size": "3",
            "temperature": "[0.0, 0.4]",
            "word_timestamps": "true",
            "log_prob_threshold": "null",
            "min_speakers": "2",
        }
    )
    assert options == DiarizedAsrOptions(
        beam_size=3, temperature=(0.0, 0.4), word_timestamps=True, log_prob_threshold=None, min_speakers=2
    )


@pytest.mark.parametrize(
    ("pipeline", "option"),
    [
        ("diarized_asr", "beams"),
        ("transcription", "num_speakers"),
        ("transcription", "max_speakers"),
        ("diarization", "beam_size"),
        ("diarization", "language"),
    ],
)
def test_option_of_another_pipeline(pipeline: str, option: str) -> None:
    with pytest.raises(InvalidOption, match=rf"^{option}: no such option; the options are "):
        read_parameters({"pipeline": pipeline, option: 2})


@pytest.mark.parametrize(
    ("option", "parameters"),
    [
        ("pipeline", {"pipeline": "translation"}),
        ("events", {"events": "some"}),
        ("beam_size", {"beam_size": 0}),
        ("beam_size", {"beam_size": "five"}),
        ("temperature", {"temperature": "[0.0, 2.0]"}),
        ("temperature", {"temperature": "[0.0"}),
        ("num_speakers", {"pipeline": "diarization", "num_speakers": 0}),
    ],
)
def test_refused_value_names_its_option(option: str, parameters: dict[str, object]) -> None:
    with pytest.raises(InvalidOption, match=rf"^{option}: "):
        read_parameters(parameters)


def test_bounds_that_contradict_each_other() -> None:
    with pytest.raises(InvalidOption, match=r"^min_speakers: 3 is above max_speakers 2$"):
        read_parameters({"min_speakers": 3, "max_speakers": 2})


class TestWithoutEffect:
    @pytest.mark.parametrize(
        ("options", "warnings"),
        [
            pytest.param(
                {"hallucination_silence_threshold": 2.0, "word_timestamps": True},
                ["hallucination_silence_threshold: has no effect in batched mode"],
                id="mode",
            ),
            pytest.param(
                {"hallucination_silence_threshold": 0.0, "mode": "sequential"},
                ["hallucination_silence_threshold: has no effect without word_timestamps"],
                id="words",
            ),
            pytest.param(
                {"hallucination_silence_threshold": 2.0},
                [
                    "hallucination_silence_threshold: has no effect in batched mode",
                    "hallucination_silence_threshold: has no effect without word_timestamps",
                ],
                id="mode and words",
            ),
            pytest.param(
                {"prompt_reset_on_temperature": 0.2},
                ["prompt_reset_on_temperature: has no effect in batched mode"],
                id="prompt",
            ),
            pytest.param(
                {"vad_parameters": VadParameters(threshold=0.4), "vad_filter": False},
                ["vad_parameters: has no effect without vad_filter"],
                id="speech detection",
            ),
            pytest.param(
                {"vad_parameters": VadParameters(), "clip_timestamps": (1.0,)},
                ["vad_parameters: has no effect with clip_timestamps"],
                id="clips",
            ),
        ],
    )
    def test_options_that_were_given_in_vain(self, options: dict[str, Any], warnings: list[str]) -> None:
        assert without_effect(WhisperParams(**options)) == warnings

    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({}, id="none"),
            pytest.param(
                {
                    "mode": "sequential",
                    "word_timestamps": True,
                    "hallucination_silence_threshold": 2.0,
                    "prompt_reset_on_temperature": 0.2,
                    "vad_parameters": VadParameters(threshold=0.4),
                },
                id="all with effect",
            ),
            pytest.param(
                {
                    "hallucination_silence_threshold": None,
                    "prompt_reset_on_temperature": 0.5,
                    "vad_filter": False,
                },
                id="the defaults",
            ),
        ],
    )
    def test_nothing_to_warn_of(self, options: dict[str, Any]) -> None:
        assert without_effect(WhisperParams(**options)) == []
