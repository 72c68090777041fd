"""The command lines against a real server, and what the whole service takes of the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pysubs2

from triologue_server.triton.server import TritonServer

BIN = Path(sys.executable).parent
MEMORY_LIMIT_MB = 6_000


def triologue(
    triton: TritonServer, *arguments: str, url: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "triologue"), *arguments],
        env={**os.environ, "TRIOLOGUE_URL": url or triton.http_url},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_transcribe_prints_turns_and_a_summary(triton: TritonServer, sample: Path) -> None:
    run = triologue(triton, "transcribe", "--diarize", str(sample))
    assert run.returncode == 0
    lines = run.stdout.splitlines()
    assert lines[0].endswith("SPEAKER_00  Hello.")
    assert lines[1].endswith("SPEAKER_01  Hello.")
    summary = run.stderr.splitlines()[-1]
    assert "language en" in summary
    assert "audio 30.0 s" in summary
    assert "RTFx" in summary
    assert summary.endswith("2 speakers")


def test_transcribe_as_srt_and_json(triton: TritonServer, sample: Path) -> None:
    srt = triologue(triton, "transcribe", "--diarize", "-f", "srt", str(sample))
    assert pysubs2.SSAFile.from_string(srt.stdout, format_="srt")[0].text == "SPEAKER_00: Hello."
    answer = json.loads(triologue(triton, "transcribe", "-f", "json", str(sample)).stdout)
    assert answer["transcription_info"]["language"] == "en"


def test_a_refused_recording_is_one_line(triton: TritonServer, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no recording")
    run = triologue(triton, "transcribe", str(text))
    assert run.returncode == 1
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1
    assert "INVALID_AUDIO: the upload is not a media file" in run.stderr


def test_segments_are_watched_and_speakers_follow(triton: TritonServer, sample: Path) -> None:
    run = triologue(triton, "transcribe", "--diarize", "--watch", str(sample))
    assert run.returncode == 0
    watched, result = run.stdout.split("\n\n")
    assert len(watched.splitlines()) > 5
    assert "SPEAKER" not in watched
    assert all("  " in line and "SPEAKER_0" in line for line in result.splitlines())
    words = [" ".join(line.split("] ")[1].partition("  ")[::2]) for line in result.splitlines()]
    heard = " ".join(line.split("] ")[1] for line in watched.splitlines())
    said = " ".join(line.removeprefix("SPEAKER_00 ").removeprefix("SPEAKER_01 ") for line in words)
    assert said.split() == heard.split()


def test_a_folder_at_once_over_grpc_and_again(triton: TritonServer, sample: Path, tmp_path: Path) -> None:
    for name in ("a.wav", "deep/b.wav"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(sample.read_bytes())
    (tmp_path / "in" / "none.wav").write_text("no recording")
    out = tmp_path / "out"
    call = [
        "transcribe",
        str(tmp_path / "in"),
        "--diarize",
        "--jobs",
        "2",
        "-o",
        str(out),
        "--resume",
        "--json",
    ]
    formats = ["-f", "vtt", "-f", "json", "-f", "html"]
    first = triologue(triton, *call, *formats, url=triton.grpc_url)
    again = triologue(triton, *call, *formats, url=triton.grpc_url)
    assert first.returncode == again.returncode == 1
    assert first.stdout == ""
    told = [json.loads(line) for line in first.stderr.splitlines()]
    assert {line["stage"] for line in told if line["event"] == "progress"} == {
        *["segmentation", "transcription", "embedding"]
    }
    assert [line["code"] for line in told if line["event"] == "failed"] == ["INVALID_AUDIO"]
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == [
        *["a.html", "a.json", "a.vtt", "deep/b.html", "deep/b.json", "deep/b.vtt"]
    ]
    assert (out / "a.vtt").read_text().startswith("WEBVTT\n")
    summary = json.loads(again.stderr.splitlines()[-1])
    assert (summary["skipped"], summary["failed"]) == (2, 1)


def test_health_and_models(triton: TritonServer) -> None:
    health = triologue(triton, "health", "--wait", "30")
    models = triologue(triton, "models")
    assert health.returncode == models.returncode == 0
    assert "is ready\n" in health.stdout
    ready, settings = (
        dict(line.split(None, 1) for line in table.splitlines()) for table in models.stdout.split("\n\n")
    )
    assert ready["diarized_asr"] == ready["transcription"] == ready["diarization"] == "yes"
    assert (settings["whisper"], settings["upload_mb"]) == ("base", "8")


def test_the_service_fits_its_memory(triton: TritonServer, sample: Path) -> None:
    triologue(triton, "transcribe", "--diarize", str(sample))
    kilobytes = sum(proportional_kilobytes(process) for process in descendants(os.getpid()))
    assert 500 < kilobytes / 1024 < MEMORY_LIMIT_MB


def descendants(parent: int) -> list[int]:
    children = [
        int(child)
        for tasks in Path(f"/proc/{parent}/task").glob("*/children")
        for child in tasks.read_text().split()
    ]
    return children + [grandchild for child in children for grandchild in descendants(child)]


def proportional_kilobytes(process: int) -> int:
    """Return the memory of a process, each shared page divided by those who share it."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
