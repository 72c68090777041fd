"""What --json tells scripts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.unit.cli.running import Serve, logged, plain, refusing, run


def test_every_line_is_an_object_with_its_fields(calls: Path, tmp_path: Path, serve: Serve) -> None:
    with serve("http", refusing(b"b", "INVALID_AUDIO: this is\nno audio")) as url:
        result = run("transcribe", calls, "--diarize", "--json", "-o", tmp_path / "out", url=url)
    assert result.stdout == ""
    told = {}
    for line in logged(result.stderr):
        told[line.pop("event"), line.pop("recording", None)] = line
    names = [str(calls / name) for name in ("a.mp3", "b.wav", "deep/c.MKV")]
    assert [key for key in told if key[0] == "started"] == [("started", name) for name in names]
    assert told["progress", names[0]] == {"stage": "transcription", "completed": 1.0, "total": 30.0}
    assert told["failed", names[1]] == {"code": "INVALID_AUDIO", "message": "this is no audio"}
    assert told["finished", names[2]] == {
        "outputs": [str(tmp_path / "out/deep/c.txt")],
        "audio_seconds": 30.0,
        "processing_seconds": 5.0,
        "language": "en",
        "language_confidence": 0.98,
        "speakers": ["SPEAKER_00"],
        "known_speakers": {},
    }
    summary = told["summary", None]
    assert 0.0 < summary.pop("seconds") < 60.0
    counts = {"recordings": 3, "finished": 2, "skipped": 0, "failed": 1, "not_tried": 0}
    assert summary == counts | {"status": 1}


def test_progress_is_told_about_once_a_second(recording: Path, serve: Serve) -> None:
    def answer(*call: Any) -> Iterator[bytes]:
        for second in range(300):
            for stage in ("segmentation", "transcription"):
                event = {"type": "progress", "stage": stage, "completed": second, "total": 299.0}
                yield json.dumps(event).encode()
        yield b'{"type": "result", "result": %b}' % plain(*call)

    with serve("http", answer) as url:
        result = run("transcribe", recording, "--diarize", "--json", url=url)
    progress = [line for line in logged(result.stderr) if line["event"] == "progress"]
    assert len(progress) < 10
    for stage in ("segmentation", "transcription"):
        told = [line["completed"] for line in progress if line["stage"] == stage]
        assert (told[0], told[-1]) == (0.0, 299.0)


def test_without_progress(recording: Path, serve: Serve) -> None:
    with serve("http") as url:
        result = run("transcribe", recording, "--json", "--quiet", url=url)
    told = [line["event"] for line in logged(result.stderr)]
    assert told == ["started", "warning", "finished", "summary"]


def test_a_refused_option(recording: Path) -> None:
    result = run("transcribe", recording, "--json", "--beam-size", "0")
    (line,) = logged(result.stderr)
    assert (line["event"], line["code"]) == ("failed", "INVALID_OPTION")
    assert "recording" not in line
    assert result.exit_code == 2
