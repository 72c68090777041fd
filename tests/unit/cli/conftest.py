"""Recordings for the command line: the small servers take any bytes for one."""

from pathlib import Path

import pytest


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "meeting.m4a"
    path.write_bytes(b"RIFF")
    return path


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A folder of recordings: b.wav, a.mp3, deep/c.MKV, and what is none."""
    folder = tmp_path / "calls"
    for name in ("b.wav", "a.mp3", "deep/c.MKV", "notes.txt", ".hidden.wav", ".trash/d.wav"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.stem.encode())
    return folder
