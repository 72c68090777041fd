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


def triologue(triton: TritonServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "triologue"), *arguments],
        env={**os.environ, "TRIOLOGUE_URL": triton.http_url},
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
    assert "language en" in lines[-1]
    assert "audio 30.0 s" in lines[-1]
    assert "RTFx" in lines[-1]
    assert lines[-1].endswith("2 speakers")


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


def test_health(triton: TritonServer) -> None:
    run = triologue(triton, "health")
    assert run.returncode == 0
    assert "diarized_asr" in run.stdout


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
