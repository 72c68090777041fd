"""Segments as they come: --watch."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.running import LINE, Serve, plain, run


def segment(text: str, start: float) -> bytes:
    times = {"start": start, "end": start + 1.0}
    return json.dumps({"type": "segment", "segment": {"text": text, "time_interval": times}}).encode()


INFO = b'{"type": "info", "audio": {"duration": 30.0, "sample_rate": 16000, "channels": 1}}'


WATCHED = "[00:00:00.000 → 00:00:01.000] Hello.\n[00:00:01.000 → 00:00:02.000] World.\n"


def watched(*call: Any) -> Iterator[bytes]:
    yield INFO
    yield segment(" Hello.", 0.0)
    yield segment(" World.", 1.0)
    result = json.loads(plain(*call))
    for said in result["segments"]:
        said["speaker"] = "SPEAKER_07" if call[0] == "diarized_asr" else None
    yield b'{"type": "result", "result": %b}' % json.dumps(result).encode()


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_segments_are_the_result_where_there_are_no_speakers(
    scheme: str, recording: Path, serve: Serve
) -> None:
    with serve(scheme, watched) as url:
        result = run("transcribe", recording, "--watch", url=url)
    assert result.stdout == WATCHED


def test_speakers_follow(recording: Path, serve: Serve) -> None:
    with serve("http", watched) as url:
        result = run("transcribe", recording, "--diarize", "--watch", url=url)
    assert result.stdout == f"{WATCHED}\n[00:00:00.000 → 00:00:01.000] SPEAKER_07  Hello.\n"


def test_the_result_goes_to_a_file(recording: Path, tmp_path: Path, serve: Serve) -> None:
    with serve("http", watched) as url:
        result = run("transcribe", recording, "--diarize", "--watch", "-o", tmp_path / "a.srt", url=url)
    assert result.stdout == WATCHED
    assert "SPEAKER_07: Hello." in (tmp_path / "a.srt").read_text()


def test_a_file_that_cannot_be_written(recording: Path, tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "out" / "meeting.srt").mkdir(parents=True)
    with serve("http", watched) as url:
        result = run("transcribe", recording, "--watch", "-f", "srt", "-o", f"{tmp_path}/out/", url=url)
    assert result.exit_code == 1
    assert result.stdout == f"{WATCHED}\n1\n00:00:00,000 --> 00:00:01,000\nHello.\n"


def test_several_stand_under_their_names(calls: Path, tmp_path: Path, serve: Serve) -> None:
    with serve("http", watched) as url:
        result = run("transcribe", calls, "--watch", "-f", "srt", "-o", tmp_path / "out", url=url)
    names = [calls / name for name in ("a.mp3", "b.wav", "deep/c.MKV")]
    assert result.stdout == "\n".join(f"{name}:\n{WATCHED}" for name in names)


def test_a_call_that_is_made_again(recording: Path, serve: Serve) -> None:
    attempts: list[int] = []

    def answer(*call: Any) -> Iterator[bytes]:
        attempts.append(1)
        if len(attempts) == 1:
            yield INFO
            yield segment(" Hello.", 0.0)
            raise ConnectionError("broken off")
        yield from watched(*call)

    with serve("http", answer) as url:
        result = run("transcribe", recording, "--watch", url=url)
    assert result.exit_code == 0
    assert result.stdout == f"{LINE}{WATCHED}"
    assert "warning: the call was made again, and segments come anew\n" in result.stderr
