"""Several recordings: at once, in order, when one fails, and when all would."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.running import LINE, Serve, plain, refusing, run

from triologue.cli.crew import Crew


class Together:
    """Answers only while so many recordings are under way, and the first one last."""

    def __init__(self, count: int) -> None:
        self._all_here = threading.Barrier(count)
        self._others_done = threading.Semaphore(0)
        self._others = count - 1

    def __call__(self, *call: Any) -> bytes:
        self._all_here.wait(10)
        if call[2] == b"a":
            for _ in range(self._others):
                assert self._others_done.acquire(timeout=10)
        else:
            self._others_done.release()
        return plain(*call)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_jobs_are_under_way_at_once_and_printed_in_order(scheme: str, calls: Path, serve: Serve) -> None:
    with serve(scheme, Together(3)) as url:
        result = run("transcribe", calls, "--jobs", "3", url=url)
    names = [calls / name for name in ("a.mp3", "b.wav", "deep/c.MKV")]
    assert result.stdout == "\n".join(f"{name}:\n{LINE}" for name in names)


def test_files_are_written_as_results_come(calls: Path, tmp_path: Path, serve: Serve) -> None:
    out = tmp_path / "out"

    def answer(*call: Any) -> bytes:
        if call[2] == b"a":
            assert written.wait(10)
        elif call[2] == b"c":
            # Taken up when the second recording has been written, whatever the first one does.
            assert (out / "b.txt").exists()
            written.set()
        return plain(*call)

    written = threading.Event()
    with serve("http", answer) as url:
        result = run("transcribe", calls, "-j", "2", "-o", out, url=url)
    assert result.exit_code == 0
    assert (out / "a.txt").exists()


def test_no_more_recordings_are_under_way_than_jobs(tmp_path: Path, serve: Serve) -> None:
    for number in range(6):
        (tmp_path / f"{number}.wav").touch()
    now, most, lock = 0, 0, threading.Lock()

    def answer(*call: Any) -> Iterator[bytes]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.05)
        with lock:
            now -= 1
        return plain(*call)  # type: ignore[return-value]

    with serve("http", answer) as url:
        run("transcribe", tmp_path, "-j", "2", url=url)
    assert most == 2


def test_a_recording_that_fails_does_not_stop_the_others(calls: Path, tmp_path: Path, serve: Serve) -> None:
    with serve("http", refusing(b"a", "INVALID_AUDIO: this is\nno audio")) as url:
        result = run("diarize", calls, "-f", "json", "-o", tmp_path / "new", url=url)
        printed = run("diarize", calls, "-f", "rttm", url=url)
    assert result.exit_code == printed.exit_code == 1
    assert f"error: INVALID_AUDIO: {calls / 'a.mp3'}: this is no audio\n" in result.stderr
    assert result.stderr.endswith("3 recordings: 2 finished, 1 failed\n")
    assert sorted(path.name for path in (tmp_path / "new").rglob("*.json")) == ["b.json", "c.json"]
    assert [line.split()[1] for line in printed.stdout.splitlines()] == ["b", "c"]


@pytest.mark.parametrize(
    ("status", "error", "exit_status"),
    [
        (400, "OVERLOADED: try later", 3),
        (503, "", 3),
        (401, "", 3),
        (404, "", 3),
        (400, "INVALID_OPTION: mode: no such option", 2),
    ],
)
def test_what_would_fail_for_all_ends_it(
    status: int, error: str, exit_status: int, calls: Path, serve: Serve
) -> None:
    asked: list[bytes] = []

    def answer(*call: Any) -> tuple[int, str]:
        asked.append(call[2])
        return status, json.dumps({"error": error})

    with serve("http", answer) as url:
        result = run("transcribe", calls, "--retries", "0", url=url)
    assert result.exit_code == exit_status
    assert asked == [b"a"]
    assert result.stderr.endswith("3 recordings: 1 failed, 2 not tried\n")


def test_what_is_under_way_then_is_not_lost(calls: Path, serve: Serve) -> None:
    refused = threading.Event()

    def answer(*call: Any) -> bytes | tuple[int, str]:
        if call[2] == b"a":
            refused.set()
            return 403, ""
        assert refused.wait(10)
        return plain(*call)

    with serve("http", answer) as url:
        result = run("transcribe", calls, "-j", "2", url=url)
    assert result.exit_code == 3
    assert result.stdout == f"{calls / 'b.wav'}:\n{LINE}"
    assert result.stderr.endswith("3 recordings: 1 finished, 1 failed, 1 not tried\n")


def test_the_gravest_status_counts(calls: Path, serve: Serve) -> None:
    def answer(*call: Any) -> tuple[int, str]:
        return (400, '{"error": "INVALID_AUDIO: no"}') if call[2] == b"a" else (403, "")

    with serve("http", answer) as url:
        assert run("transcribe", calls, url=url).exit_code == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [("PAYLOAD_TOO_LARGE: 9 bytes", "PAYLOAD_TOO_LARGE"), ("INTERNAL: oh", "INTERNAL")],
)
def test_errors_of_one_recording(error: str, code: str, recording: Path, serve: Serve) -> None:
    with serve("http", refusing(b"RIFF", error)) as url:
        result = run("transcribe", recording, url=url)
    assert result.exit_code == 1
    assert result.stderr == f"error: {error}\n"


def test_time_is_up(recording: Path, serve: Serve) -> None:
    done = threading.Event()

    def answer(*call: Any) -> bytes:
        done.wait(10)
        return plain(*call)

    with serve("http", answer) as url:
        result = run("transcribe", recording, "--timeout", "0.2", url=url)
        done.set()
    assert result.exit_code == 1
    assert result.stderr.startswith("error: DEADLINE_EXCEEDED: ")


@pytest.mark.parametrize("to_file", [False, True])
def test_an_answer_that_came_just_before_it_was_interrupted(
    to_file: bool, recording: Path, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(crew: Crew) -> None:
        until = time.monotonic() + 10
        while crew._threads[0].is_alive() and time.monotonic() < until:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(Crew, "wait", interrupted)
    with serve("http", plain) as url:
        out = ["-o", tmp_path / "out.txt"] if to_file else []
        result = run("transcribe", recording, *out, url=url)
    assert result.exit_code == 130
    written = (tmp_path / "out.txt").read_text(encoding="utf-8") if to_file else result.stdout
    assert written == LINE
