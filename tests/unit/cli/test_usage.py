"""What is refused before anything is sent, and what the program says of itself."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.cli.running import run
from typer.testing import CliRunner

import triologue.cli.log
from triologue import __version__
from triologue.cli import app
from triologue.cli.statuses import MEANINGS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "pdf"], "'pdf' is not one of txt, srt, vtt, tsv, json, rttm, ctm, stm, md, html"),
        (["--url", "ftp://host"], "'ftp://host' is no server URL"),
        (["--timeout", "0"], "--timeout"),
        (["--retries", "-1"], "--retries"),
        (["--jobs", "0"], "--jobs"),
        (["--beam-size", "five"], "--beam-size"),
        (["--patience", "much"], "--patience"),
        (["--max-new-tokens", "2.5"], "--max-new-tokens"),
        (["--word-timestamps=no"], "--word-timestamps"),
        (["--beam", "5"], "--beam"),
        (["--output", "missing/folder/file.txt"], "does not exist"),
        (["missing.wav"], "missing.wav: No such file or directory"),
        (["http://[half/a.wav"], "this is no URL: Invalid IPv6 URL"),
        (["-", "-"], "standard input can be read but once"),
        (["--max-lines", "3"], "needs --format srt or vtt"),
        (["--max-line-chars", "32", "--format", "json"], "needs --format srt or vtt"),
        (["--format", "srt", "--max-lines", "0"], "--max-lines"),
        (["--format", "srt", "--paragraphs"], "is not for --format srt"),
        (["--format", "ctm"], "needs --word-timestamps or --diarize"),
        (["--diarize", "--known-speakers", "missing.json"], "missing.json: No such file"),
        (["--format", "srt", "--format", "json"], "several formats need a folder"),
        (["--resume"], "needs --output"),
        (["--resume", "--output", "-"], "needs --output"),
        (["--open", "--format", "srt"], "needs --format html"),
        (["--watch", "--format", "srt"], "needs --output, or --format txt"),
        (["--watch", "--jobs", "2"], "needs --jobs 1"),
        (["--client-cert", __file__], "a client's certificate and its key go together"),
        (["--ca-cert", "missing.pem"], "missing.pem"),
        (["--ca-cert", __file__], "certificates are for https:// and grpcs://"),
        (["--ca-cert", __file__, "--url", "https://localhost"], "no certificate can be read there"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, recording: Path) -> None:
    result = run("transcribe", recording, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["ctm", "stm"])
def test_turns_alone_have_no_words(name: str, recording: Path) -> None:
    result = run("diarize", recording, "-f", name)
    assert result.exit_code == 2
    assert "needs text, which `triologue transcribe` writes" in result.stderr


def test_no_recording_at_all() -> None:
    result = run("transcribe")
    assert result.exit_code == 2
    assert "Missing argument" in result.stderr


@pytest.mark.parametrize(
    "header", ["X-Team", ": news", "X Team: news", "X-Team: ne\nws", "X-Tëam: n", "X: ü"]
)
def test_a_header_that_is_none(header: str, recording: Path) -> None:
    result = run("transcribe", recording, "--header", header)
    assert result.exit_code == 2
    assert "give NAME:VALUE" in result.stderr


def test_a_key_is_never_shown(recording: Path, free_port: int) -> None:
    key = "tok\nen-7f3a"
    refused = run("transcribe", recording, TRIOLOGUE_API_KEY=key)
    assert refused.exit_code == 2
    assert "--api-key" in refused.stderr
    good = "token-7f3a"
    url = f"http://127.0.0.1:{free_port}"
    helped = run("transcribe", "--help", TRIOLOGUE_API_KEY=good)
    failed = run("transcribe", recording, "--api-key", good, "--retries", "0", url=url)
    assert failed.exit_code == 3
    assert "TRIOLOGUE_API_KEY" in helped.stdout
    for result in (refused, helped, failed):
        assert "7f3a" not in result.output


@pytest.mark.parametrize("command", ["transcribe", "diarize", "batch", "enroll", "health", "models"])
def test_help_says_what_the_exit_status_means(command: str) -> None:
    shown = " ".join(run(command, "--help").stdout.split())
    for status, meaning in MEANINGS.items():
        assert f"{status} {meaning}" in shown


def test_the_page_about_it_says_so_too_and_names_every_event() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
    for status, meaning in MEANINGS.items():
        assert f"| {int(status)} | {meaning} |" in page
    log = inspect.getsource(triologue.cli.log)
    events = set(re.findall(r'_write\(\s*"(\w+)"', log))
    assert len(events) == 7
    for event in events:
        assert f"| `{event}` |" in page


def test_version() -> None:
    assert run("--version").stdout == f"triologue {__version__}\n"


def test_help_loads_no_network_library_and_no_torch() -> None:
    heavy = {"torch", "numpy", "grpc", "gevent", "httpx", "rich.progress"}
    code = (
        "import sys; from triologue.cli import app\n"
        "try: app(['transcribe', '--help'])\n"
        f"except SystemExit: print(sorted({heavy} & sys.modules.keys()))\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--diarize" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["--mode", ""], "batched\nsequential"),
        (["--attribution", "s"], "sentence"),
        (["--language", "yu"], "yue"),
        (["-f", "j"], "json"),
        (["--no-di"], "--no-diarize"),
    ],
)
def test_a_shell_completes_values(typed: list[str], offered: str) -> None:
    words = ["triologue", "transcribe", *typed]
    asked = {
        "_TRIOLOGUE_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    result = CliRunner(env=asked).invoke(app, prog_name="triologue")
    assert result.stdout.strip() == offered
