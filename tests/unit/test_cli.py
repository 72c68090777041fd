"""The command line, in process and as a program."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from triologue.cli import app
from triologue.flags import SECTIONS
from triologue.schema import DiarizationResult, DiarizedAsrOptions, PyannoteSpeakerDiarizationParams
from triologue.schema.base import WireModel
from triologue.schema.wording import summary

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "meeting.m4a"
    path.write_bytes(b"RIFF")
    return path


def run(*arguments: str | Path, url: str | None = None) -> Result:
    # Wide and without colour, so that messages are found on one line.
    env = {"TRIOLOGUE_URL": url, "COLUMNS": "200", "NO_COLOR": "1", "TERMINAL_WIDTH": "200"}
    return CliRunner(env=env).invoke(app, [str(argument) for argument in arguments])


def refuse(model: str, parameters: dict[str, Any], audio: bytes, headers: dict[str, str]) -> tuple[int, str]:
    return 400, json.dumps({"error": f"INVALID_AUDIO: {audio.decode()} is\nno audio"})


@pytest.mark.parametrize("option", ["--num-speakers", "--min-speakers", "--max-speakers"])
def test_speakers_need_diarization(option: str, recording: Path) -> None:
    result = run("transcribe", recording, option, "2")
    assert result.exit_code == 2
    assert option in result.stderr
    assert "needs --diarize" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "pdf"], "'pdf' is not one of text, srt, rttm, json"),
        (["--url", "ftp://host"], "'ftp://host' is no server URL"),
        (["--timeout", "0"], "--timeout"),
        (["--beam-size", "five"], "--beam-size"),
        (["--patience", "much"], "--patience"),
        (["--max-new-tokens", "2.5"], "--max-new-tokens"),
        (["--word-timestamps=no"], "--word-timestamps"),
        (["--beam", "5"], "--beam"),
        (["--output", "missing/folder/file.txt"], "does not exist"),
        (["missing.wav"], "missing.wav"),
        (["--format", "rttm"], "needs --diarize"),
        (["--max-lines", "3"], "needs --format srt"),
        (["--max-line-chars", "32", "--format", "json"], "needs --format srt"),
        (["--format", "srt", "--max-lines", "0"], "--max-lines"),
        (["--format", "srt", "--paragraphs"], "is not for --format srt"),
        (["--known-speakers", "voices.json"], "needs --diarize"),
        (["--diarize", "--known-speakers", "missing.json"], "missing.json: No such file"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, recording: Path) -> None:
    result = run("transcribe", recording, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_several_files_need_a_folder_with_room_for_each(recording: Path, tmp_path: Path) -> None:
    other = tmp_path / "meeting.wav"
    other.write_bytes(b"RIFF")
    same_name = run("transcribe", recording, other, "-o", tmp_path / "out")
    assert same_name.exit_code == 2
    assert "same name" in same_name.stderr
    a_file = run("transcribe", recording, other, "-o", recording)
    assert a_file.exit_code == 2
    assert "is a file" in a_file.stderr
    no_folder = run("transcribe", recording, other, "-f", "srt")
    assert no_folder.exit_code == 2
    assert "need a folder" in no_folder.stderr


@pytest.mark.parametrize("scheme", ["http", "grpc"])
@pytest.mark.parametrize("command", ["transcribe", "diarize", "health"])
def test_server_that_is_not_there(scheme: str, command: str, recording: Path, free_port: int) -> None:
    url = f"{scheme}://127.0.0.1:{free_port}"
    arguments = [command] if command == "health" else [command, str(recording)]
    result = run(*arguments, "--url", url)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: UNAVAILABLE: {url} cannot be reached: ")
    assert result.stderr.count("\n") == 1


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
    assert result.exit_code == 1
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
        result = run("transcribe", recording, *arguments, url=url)
    assert json.loads(result.stderr.removeprefix("warning: "))["parameters"] == parameters


def test_transcript_on_stdout_with_its_summary_and_warnings_on_stderr(recording: Path, serve: Serve) -> None:
    with serve("http") as url:
        result = run(
            "transcribe", recording, "--diarize", "--num-speakers", "2", "--task", "translate", url=url
        )
    assert result.exit_code == 0
    assert result.stdout == (
        "[00:00:00.000 → 00:00:01.000] Hello.\n"
        "\n"
        "language en (0.98) · audio 30.0 s · processed in 5.0 s · RTFx 6.0 · 1 speaker\n"
    )
    seen = json.loads(result.stderr.removeprefix("warning: "))
    assert seen["model"] == "diarized_asr"
    assert seen["parameters"] == {"num_speakers": 2, "task": "translate"}
    assert seen["audio"] == "RIFF"


def test_without_diarization_the_plain_model_is_asked(recording: Path, serve: Serve) -> None:
    with serve("grpc") as url:
        result = run("transcribe", recording, "--beam-size", "2", "-f", "srt", "--url", url)
    assert result.stdout == "1\n00:00:00,000 --> 00:00:01,000\nHello.\n"
    seen = json.loads(result.stderr.removeprefix("warning: "))
    assert (seen["model"], seen["parameters"]) == ("transcription", {"beam_size": 2})


def test_lines_of_subtitles_and_paragraphs(recording: Path, serve: Serve) -> None:
    said = [" The rain has stopped,", " and we are going out now."]
    times = [{"start": 0.0, "end": 2.0}, {"start": 2.0, "end": 5.0}]
    result = {
        "audio": {"duration": 5, "sample_rate": 8000, "channels": 1},
        "processing": {"seconds": 1, "rtfx": 5},
        "segments": [{"text": text, "time_interval": time} for text, time in zip(said, times, strict=True)],
        "transcription_info": {"language": "en"},
        "transcription": {"text": "".join(said).strip()},
    }
    with serve("http", lambda *_: json.dumps(result).encode()) as url:
        srt = run("transcribe", recording, "-f", "srt", "--max-line-chars", "16", "--max-lines", "3", url=url)
        text = run("transcribe", recording, "--paragraphs", url=url)
    assert srt.stdout == (
        "1\n00:00:00,000 --> 00:00:02,000\nThe rain\nhas stopped,\n\n"
        "2\n00:00:02,000 --> 00:00:05,000\nand we are\ngoing out now.\n"
    )
    assert text.stdout.splitlines()[0] == (
        "[00:00:00.000 → 00:00:05.000] The rain has stopped, and we are going out now."
    )


def test_diarize_as_json(recording: Path, serve: Serve) -> None:
    with serve("http") as url:
        result = run("diarize", recording, "--max-speakers", "3", "-f", "json", url=url)
    assert DiarizationResult.model_validate_json(result.stdout).speakers == ["SPEAKER_00"]
    assert json.loads(result.stderr.removeprefix("warning: "))["parameters"] == {"max_speakers": 3}


def test_output_to_a_file_leaves_the_summary_on_stdout(recording: Path, tmp_path: Path, serve: Serve) -> None:
    with serve("http") as url:
        result = run("transcribe", recording, "-o", tmp_path / "out.txt", url=url)
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "[00:00:00.000 → 00:00:01.000] Hello.\n"
    assert result.stdout == "language en (0.98) · audio 30.0 s · processed in 5.0 s · RTFx 6.0\n"


def test_a_file_that_fails_does_not_stop_the_others(recording: Path, tmp_path: Path, serve: Serve) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"broken")

    def answer(*call: Any) -> bytes | tuple[int, str]:
        good = b'{"audio": {"duration": 1, "sample_rate": 8000, "channels": 1}, "turns": []'
        return refuse(*call) if call[2] == b"broken" else good + b', "processing": {"seconds": 1, "rtfx": 1}}'

    with serve("http", answer) as url:
        result = run("diarize", broken, recording, "-f", "json", "-o", tmp_path / "new", url=url)
    assert result.exit_code == 1
    assert result.stderr == f"error: INVALID_AUDIO: {broken}: broken is no audio\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["meeting.json"]


def test_health_of_a_server_that_lacks_a_model(serve: Serve) -> None:
    with serve("grpc") as url:
        result = run("health", url=url)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"Triton 2.51.0 at {url} is not ready\n")
    rows = [line.replace("│", " ").split() for line in result.stdout.splitlines()]
    assert ["transcription", "yes"] in rows
    assert ["diarized_asr", "no"] in rows


def test_help_loads_no_network_library_and_no_torch() -> None:
    code = (
        "import sys; from triologue.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: print(sorted({'torch', 'numpy', 'grpc', 'gevent'} & sys.modules.keys()))\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "transcribe" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("output", ["meeting.wav", "."])
def test_a_recording_is_never_written_over(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    # In a folder, the transcript of notes.txt would be called notes.txt.
    recording = Path("meeting.wav" if output == "meeting.wav" else "notes.txt")
    recording.write_bytes(b"RIFF")
    run = CliRunner().invoke(
        app, ["transcribe", str(recording), "-o", output, "--url", f"http://127.0.0.1:{free_port}"]
    )
    assert run.exit_code == 2
    assert recording.read_bytes() == b"RIFF"
