"""Archives on small servers: what is done once, what fails by itself, and what ends the work."""

import inspect
import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any, get_args

import fsspec
import pytest
from tests.unit.cli.running import Serve, echo_seen, logged, plain, refusing, run, start

import triologue.cli.progress
from triologue.batch.manifest import KEYS
from triologue.batch.row import Came, Row

Line = dict[str, Any]


def archive(folder: Path, *lines: Line | str) -> Path:
    """Write a manifest, and a recording for each line that names one; it holds its own name."""
    for line in lines:
        if isinstance(line, dict) and "://" not in line["audio"]:
            (folder / line["audio"]).write_bytes(Path(line["audio"]).stem.encode())
    path = folder / "calls.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def recordings(*names: str) -> list[Line]:
    return [{"audio": f"{name}.wav"} for name in names]


def rows_in(summary: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in summary.read_text().splitlines()]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Asked:
    """Answers, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.audio: list[bytes] = []

    def __call__(self, *call: Any) -> bytes:
        self.audio.append(call[2])
        return plain(*call)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_every_recording_is_worked_on_once(scheme: str, tmp_path: Path, serve: Serve) -> None:
    manifest = archive(tmp_path, *recordings("a", "b", "c"))
    out = tmp_path / "out"
    asked = Asked()
    with serve(scheme, asked) as url:
        first = run("batch", manifest, "-o", out, "-j", "2", "-f", "srt", "-f", "json", url=url)
        second = run("batch", manifest, "-o", out, url=url)
        again = run("batch", manifest, "-o", out, "--again", url=url)
    assert (first.exit_code, second.exit_code, again.exit_code) == (0, 0, 0)
    assert first.stdout == ""
    assert files(out) == ["a.json", "a.srt", "b.json", "b.srt", "c.json", "c.srt"]
    assert sorted(asked.audio) == [b"a", b"a", b"b", b"b", b"c", b"c"]
    assert "3 recordings: 3 finished · 0.0 h of audio in 0:00:0" in first.stderr
    assert "3 recordings: 3 skipped" in second.stderr
    assert "3 recordings: 3 finished" in again.stderr


def test_what_fails_does_not_stop_the_others_and_is_tried_again(tmp_path: Path, serve: Serve) -> None:
    manifest = archive(
        tmp_path,
        {"audio": "a.wav", "options": {"beam_size": 0}},
        {"audio": "b.wav", "metadata": {"team": "news"}},
        "{",
        *recordings("c", "d"),
    )
    (tmp_path / "d.wav").unlink()
    out, summary = tmp_path / "out", tmp_path / "summary.jsonl"
    command = ["batch", manifest, "-o", out, "--summary", summary]
    with serve("http", refusing(b"b", "INVALID_AUDIO: no audio stream")) as url:
        first = run(*command, url=url)
    assert first.exit_code == 1
    assert files(out) == ["a.error.json", "b.error.json", "c.json", "d.error.json"]
    told = [line for line in first.stderr.splitlines() if line.startswith("error: ")]
    why = {row["id"] or row["line"]: row["code"] for row in rows_in(summary)}
    assert why == {
        "a": "INVALID_OPTION",
        "b": "INVALID_AUDIO",
        3: "INVALID_LINE",
        "c": "",
        "d": "INVALID_AUDIO",
    }
    assert "error: INVALID_LINE: line 3: it is no JSON" in "\n".join(told)
    assert "line 1: beam_size: input should be greater" in "\n".join(told)
    error = json.loads((out / "b.error.json").read_text())
    assert error == {"code": "INVALID_AUDIO", "message": "no audio stream"}
    with serve("http", plain) as url:
        second = run(*command, url=url)
    assert second.exit_code == 1
    assert files(out) == ["a.error.json", "b.json", "c.json", "d.error.json"]
    rows = {row["id"]: row for row in rows_in(summary)}
    assert (rows["b"]["status"], rows["b"]["metadata"]) == ("finished", {"team": "news"})
    assert (rows["b"]["audio_seconds"], rows["c"]["status"]) == (30.0, "skipped")


def test_options_of_a_line_win(tmp_path: Path, serve: Serve) -> None:
    manifest = archive(
        tmp_path, {"audio": "a.wav"}, {"audio": "b.wav", "options": {"beam_size": 2, "temperature": [0.0]}}
    )
    out = tmp_path / "out"
    with serve("http") as url:
        result = run("batch", manifest, "-o", out, "--beam-size", "1", "--pipeline", "transcription", url=url)
    assert result.exit_code == 0
    a, b = (echo_seen((out / f"{name}.json").read_text()) for name in "ab")
    assert a["model"] == "transcription"
    assert a["parameters"] == {"beam_size": 1}
    assert b["parameters"] == {"beam_size": 2, "temperature": "[0.0]"}


def test_formats_asked_for_later_are_made_of_what_is_there(tmp_path: Path, serve: Serve) -> None:
    manifest = archive(tmp_path, *recordings("a", "b"))
    out = tmp_path / "out"
    asked = Asked()
    with serve("http", asked) as url:
        run("batch", manifest, "-o", out, url=url)
        (out / "b.json").write_text("{}")
        result = run("batch", manifest, "-o", out, "-f", "txt", url=url)
    assert result.exit_code == 0
    assert sorted(asked.audio) == [b"a", b"b", b"b"]
    assert (out / "a.txt").read_text() == (out / "b.txt").read_text()


@pytest.mark.parametrize("error", ["UNAVAILABLE: gone", "OVERLOADED: full", "ACCESS_DENIED: no"])
def test_a_server_of_no_use_ends_it(error: str, tmp_path: Path, serve: Serve) -> None:
    manifest = archive(tmp_path, *recordings(*"abcdefgh"))
    out = tmp_path / "out"
    with serve("http", refusing(b"b", error, 503)) as url:
        result = run("batch", manifest, "-o", out, "--retries", "0", url=url)
        again = run("batch", manifest, "-o", out, "--retries", "0", url=url)
    assert (result.exit_code, again.exit_code) == (3, 3)
    assert files(out) == ["a.json", "b.error.json"]
    assert "8 recordings: 1 finished, 1 failed, 6 not tried" in result.stderr
    assert "8 recordings: 1 skipped, 1 failed, 6 not tried" in again.stderr


def test_a_result_that_cannot_be_written(tmp_path: Path, serve: Serve) -> None:
    manifest = archive(tmp_path, *recordings("a", "b"))
    out = tmp_path / "out"
    (out / "a.srt").mkdir(parents=True)
    with serve("http", plain) as url:
        result = run("batch", manifest, "-o", out, "-f", "srt", url=url)
    assert result.exit_code == 1
    assert files(out) == ["a.error.json", "a.srt", "b.json", "b.srt"]
    assert "error: UNWRITABLE: a: the results of a in" in result.stderr


def test_recordings_and_results_elsewhere(serve: Serve) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file(
        "/elsewhere/in/calls.jsonl", b'{"audio": "a.wav"}\n{"audio": "memory://elsewhere/in/missing.wav"}\n'
    )
    memory.pipe_file("/elsewhere/in/a.wav", b"a")
    asked = Asked()
    with serve("http", asked) as url:
        first = run("batch", "memory://elsewhere/in/calls.jsonl", "-o", "memory://elsewhere/out", url=url)
        second = run("batch", "memory://elsewhere/in/calls.jsonl", "-o", "memory://elsewhere/out", url=url)
    assert (first.exit_code, second.exit_code) == (1, 1)
    assert asked.audio == [b"a"]
    written = [path.rpartition("/")[2] for path in memory.ls("/elsewhere/out", detail=False)]
    assert sorted(written) == ["a.json", "missing.error.json"]
    assert "INVALID_AUDIO: missing: memory://elsewhere/in/missing.wav cannot be read" in first.stderr


def test_events_for_scripts(tmp_path: Path, serve: Serve) -> None:
    manifest = archive(tmp_path, {"audio": "a.wav", "metadata": {"n": 1}}, *recordings("b"))
    out = tmp_path / "out"
    with serve("http", refusing(b"b", "INVALID_AUDIO: no")) as url:
        told = logged(run("batch", manifest, "-o", out, "--json", url=url).stderr)
        (refused,) = logged(run("batch", manifest, "-o", out, "--json", "--beam-size", "0", url=url).stderr)
        quiet = logged(run("batch", manifest, "-o", out, "--json", "--quiet", url=url).stderr)
    assert [line["event"] for line in quiet] == ["skipped", "failed", "summary"]
    assert [line["event"] for line in told] == ["finished", "progress", "failed", "summary"]
    assert (refused["event"], refused["code"]) == ("failed", "INVALID_OPTION")
    assert told[0]["recording"] == "a"
    assert told[0]["metadata"] == {"n": 1}
    assert told[-1]["audio_seconds"] == 30.0
    assert told[-1]["status"] == 1


def test_a_terminal_gets_a_bar_and_errors_above_it(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triologue.cli.progress, "shows_bars", lambda: True)
    manifest = archive(tmp_path, *recordings("a", "b", "c"))
    with serve("http", refusing(b"b", "INVALID_AUDIO: no")) as url:
        result = run("batch", manifest, "-o", tmp_path / "out", url=url, TTY_COMPATIBLE="1")
    assert "error: INVALID_AUDIO: b: no" in result.stderr
    assert "3 of 3 recordings · 1 failed · 0.0 h of audio · RTFx " in result.stderr
    assert "3 recordings: 2 finished, 1 failed" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "pdf"], "'pdf' is not one of"),
        (["--format", "rttm", "--pipeline", "transcription"], "needs speakers"),
        (["--format", "stm", "--pipeline", "diarization"], "needs text"),
        (["--format", "ctm", "--pipeline", "transcription"], "needs --word-timestamps"),
        (["--beam-size", "0"], "INVALID_OPTION: beam_size"),
        (["--beam-size", "1", "--pipeline", "diarization"], "INVALID_OPTION: beam_size: no such option"),
        (["--pipeline", "other"], "--pipeline"),
        (["--engine", "spark"], "--engine"),
        (["--url", "ftp://host"], "'ftp://host' is no server URL"),
        (["--summary", "missing/folder/x.jsonl"], "missing/folder/x.jsonl"),
        (["--output", "nowhere://x"], "nowhere"),
    ],
)
def test_what_is_refused_before_anything_is_sent(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = run("batch", archive(tmp_path, *recordings("a")), "-o", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_duplicates_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    manifest = archive(tmp_path, *recordings("a"), {"audio": "b.wav", "id": "a"})
    result = run("batch", manifest, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "lines 1 and 2: both have the id 'a'" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_extra_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    result = run("batch", archive(tmp_path), "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "pip install 'triologue[batch]'" in result.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_goes_on_where_it_was(stop: signal.Signals, tmp_path: Path, serve: Serve) -> None:
    manifest = archive(tmp_path, *recordings(*"abcdef"))
    out = tmp_path / "out"
    asked, hold = Asked(), threading.Event()

    def answer(*call: Any) -> bytes:
        if len(asked.audio) == 4:
            hold.wait(20)
        return asked(*call)

    with serve("http", answer) as url:
        process = start("batch", str(manifest), "-o", str(out), "-j", "2", url=url)
        while len(asked.audio) < 4:
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(process.pid, stop)
        _, told = process.communicate(timeout=20)
        hold.set()
        done = files(out)
        assert 2 <= len(done) <= 4
        assert all(name.endswith(".json") and "error" not in name for name in done)
        if stop is signal.SIGINT:
            assert process.returncode == 130
            assert b"not tried" in told
        asked.audio.clear()
        result = run("batch", manifest, "-o", out, url=url)
    assert result.exit_code == 0
    assert f"{len(done)} skipped" in result.stderr
    assert files(out) == [f"{name}.json" for name in "abcdef"]


def test_the_page_names_every_event_and_column() -> None:
    page = (Path(__file__).parents[3] / "docs" / "batch.md").read_text(encoding="utf-8")
    events = set(re.findall(r'write_event\(\s*"(\w+)"', inspect.getsource(triologue.cli.progress)))
    assert len(events) == 5
    for event in events:
        assert f"| `{event}` |" in page
    for field in [*Row.__dataclass_fields__, *KEYS, *get_args(Came)[:3]]:
        assert f"`{field}`" in page
