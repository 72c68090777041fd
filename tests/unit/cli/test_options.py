"""The options of the service, as flags."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.running import Serve, run, seen

from triologue.cli.flags import SECTIONS
from triologue.schema import DiarizedAsrOptions, PyannoteSpeakerDiarizationParams
from triologue.schema.base import WireModel
from triologue.schema.wording import summary


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--language", "klingon", "language: 'klingon' is not a language code"),
        ("--mode", "fast", "mode: input should be 'batched' or 'sequential' (got 'fast')"),
        ("--beam-size", "0", "beam_size: input should be greater than or equal to 1 (got 0)"),
        ("--temperature", "hot", "temperature: "),
        ("--temperature", "[0.0, 0.4", "temperature: "),
        ("--temperature", "[0.0, 2]", "temperature: give one temperature from 0.0 to 1.0"),
        ("--compression-ratio-threshold", "none", "compression_ratio_threshold: "),
        ("--clip-timestamps", "[20.5, 10]", "clip_timestamps: give times of at least 0 that rise"),
        ("--vad-parameters", "strict", "vad_parameters: "),
        ("--vad-parameters", '{"threshold": 2}', "vad_parameters.threshold: input should be less than 1"),
    ],
)
def test_refused_option_is_one_line(
    flag: str, value: str, message: str, recording: Path, free_port: int
) -> None:
    result = run("transcribe", recording, flag, value, url=f"http://127.0.0.1:{free_port}")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: INVALID_OPTION: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "options"),
    [("transcribe", DiarizedAsrOptions), ("diarize", PyannoteSpeakerDiarizationParams)],
)
def test_every_option_is_a_flag_with_its_meaning(command: str, options: type[WireModel]) -> None:
    shown = run(command, "--help").stdout
    # Lines may break inside a word that has a hyphen.
    text = "".join(shown.split())
    for name, field in options.model_fields.items():
        assert f"  --{name.replace('_', '-')} " in shown
        assert "".join(summary(field).split()) in text


def test_help_shows_the_default_and_what_may_be_given() -> None:
    shown = " ".join(run("transcribe", "--help").stdout.split())
    assert (
        "--mode <batched|sequential> How a recording is cut into windows of 30 seconds. [default: batched]"
        in shown
    )
    assert "--log-prob-threshold <float|null> " in shown
    assert "--num-speakers <int> Number of speakers, when known. --min-speakers" in shown
    assert "--vad-filter / --no-vad-filter " in shown


def test_sections_of_the_help_name_options_that_exist() -> None:
    assert set().union(*SECTIONS.values()) <= DiarizedAsrOptions.model_fields.keys()


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ([], {}),
        (["--word-timestamps", "--no-vad-filter"], {"word_timestamps": True, "vad_filter": False}),
        (["--no-without-timestamps"], {"without_timestamps": False}),
        (["--mode", "sequential", "--max-new-tokens", "9"], {"mode": "sequential", "max_new_tokens": 9}),
        (["--task", "translate"], {"task": "translate"}),
        (["--length-penalty", "-1"], {"length_penalty": -1.0}),
        (["--temperature", "0.4"], {"temperature": 0.4}),
        (["--temperature", "[0.0, 0.4]"], {"temperature": "[0.0, 0.4]"}),
        (["--clip-timestamps", "[10, 20.5]"], {"clip_timestamps": "[10.0, 20.5]"}),
        (["--vad-parameters", '{"threshold": 0.4}'], {"vad_parameters": '{"threshold": 0.4}'}),
        (["--compression-ratio-threshold", "null"], {"compression_ratio_threshold": "null"}),
        (["--log-prob-threshold", "-0.5"], {"log_prob_threshold": -0.5}),
        (["--suppress-tokens", "null"], {"suppress_tokens": "null"}),
        (["--initial-prompt", "null", "--prefix", ""], {"initial_prompt": "null", "prefix": ""}),
    ],
)
def test_flags_reach_the_server(
    arguments: list[str], parameters: dict[str, Any], recording: Path, serve: Serve
) -> None:
    with serve("http") as url:
        (sent,) = seen(run("transcribe", recording, *arguments, url=url))
    assert sent["parameters"] == parameters


@pytest.mark.parametrize(
    ("arguments", "model", "parameters"),
    [
        (["transcribe", "--no-diarize", "--beam-size", "2"], "transcription", {"beam_size": 2}),
        (
            ["transcribe", "--diarize", "--num-speakers", "2", "--attribution", "word"],
            "diarized_asr",
            {"num_speakers": 2, "attribution": "word"},
        ),
        (["diarize", "--max-speakers", "3"], "diarization", {"max_speakers": 3}),
    ],
)
def test_a_command_asks_for_what_it_is_called(
    arguments: list[str], model: str, parameters: dict[str, Any], recording: Path, serve: Serve
) -> None:
    with serve("grpc") as url:
        (sent,) = seen(run(*arguments, recording, url=url))
    assert (sent["model"], sent["parameters"], sent["audio"]) == (model, parameters, "RIFF")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--num-speakers", "2"], "--num-speakers"),
        (["--min-speakers", "2"], "--min-speakers"),
        (["--attribution", "word"], "--attribution"),
        (["--known-speakers", "voices.json"], "--known-speakers"),
        (["--format", "rttm"], "--format rttm"),
    ],
)
def test_what_needs_diarization(arguments: list[str], said: str, recording: Path) -> None:
    result = run("transcribe", recording, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "needs --diarize" in result.stderr
