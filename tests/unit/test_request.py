"""What a caller of the stream model asks for, read from request parameters."""

import pytest

from triologue.schema import DiarizedAsrOptions, InvalidOption, StreamParams
from triologue_server.conductor.request import read_parameters


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
