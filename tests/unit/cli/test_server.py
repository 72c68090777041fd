"""How the server is reached, and what is told about it."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.running import Serve, run, seen


@pytest.mark.parametrize("scheme", ["http", "grpc"])
@pytest.mark.parametrize("command", ["transcribe", "diarize", "enroll", "health", "models"])
def test_a_server_that_is_not_there(scheme: str, command: str, recording: Path, free_port: int) -> None:
    url = f"{scheme}://127.0.0.1:{free_port}"
    arguments = [] if command in ("health", "models") else [recording]
    named = ["--name", "Ann"] if command == "enroll" else []
    result = run(command, *arguments, *named, "--retries", "0", "--url", url)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: UNAVAILABLE: {url} cannot be reached: ")
    assert result.stderr.count("\n") == 1


def test_retries_are_counted(recording: Path, serve: Serve) -> None:
    asked: list[str] = []

    def answer(*call: Any) -> tuple[int, str]:
        asked.append(call[0])
        return 503, ""

    with serve("http", answer) as url:
        assert run("transcribe", recording, "--retries", "1", url=url).exit_code == 3
    assert len(asked) == 2


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_key_and_headers_reach_the_server(scheme: str, recording: Path, serve: Serve) -> None:
    with serve(scheme) as url:
        flags = run("transcribe", recording, "--api-key", "k-1", "--header", "X-Name: Ann Lee", url=url)
        environment = run("transcribe", recording, url=url, TRIOLOGUE_API_KEY="k-2\n")
    assert (seen(flags)[0]["key"], seen(flags)[0]["name"]) == ("Bearer k-1", "Ann Lee")
    assert seen(environment)[0]["key"] == "Bearer k-2"


@pytest.mark.parametrize("command", ["health", "models"])
@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_models_of_a_server_that_lacks_one(scheme: str, command: str, serve: Serve) -> None:
    with serve(scheme) as url:
        shown = run(command, url=url)
        told = run(command, "--json", url=url)
    models = {"transcription": True, "diarization": True, "diarized_asr": False}
    rows = [line.split() for line in shown.stdout.splitlines()]
    for name, takes_requests in models.items():
        assert [name, "yes" if takes_requests else "no"] in rows
    assert json.loads(told.stdout)["models"] == models
    assert json.loads(told.stdout)["settings"] == {"whisper": "base", "upload_mb": "512"}
    assert shown.stderr == told.stderr == ""
    if command == "health":
        assert shown.stdout.startswith(f"Triton 2.51.0 at {url} is not ready\n")
        assert json.loads(told.stdout)["version"] == "2.51.0"
        assert (shown.exit_code, told.exit_code) == (3, 3)
    else:
        assert ["whisper", "base"] in rows
        assert (shown.exit_code, told.exit_code) == (0, 0)


def test_waiting_for_a_server_that_comes(serve: Serve, free_port: int) -> None:
    def come() -> None:
        time.sleep(0.5)
        with serve("http", port=free_port):
            assert asked.wait(20)

    asked = threading.Event()
    server = threading.Thread(target=come)
    server.start()
    result = run("health", "--wait", "20", url=f"http://127.0.0.1:{free_port}")
    asked.set()
    server.join()
    assert "Triton 2.51.0" in result.stdout


def test_waiting_for_a_server_that_does_not(free_port: int) -> None:
    began = time.monotonic()
    result = run("health", "--wait", "0.3", url=f"http://127.0.0.1:{free_port}")
    assert 0.3 <= time.monotonic() - began < 5.0
    assert result.exit_code == 3
    assert "was not ready within 0.3 s" in result.stderr
