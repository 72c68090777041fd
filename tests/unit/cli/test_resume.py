"""Batches that go on where they were."""

from pathlib import Path
from typing import Any

from tests.unit.cli.running import LINE, Serve, plain, refusing, run


def test_what_is_there_is_left_out(calls: Path, tmp_path: Path, serve: Serve) -> None:
    out = tmp_path / "out"
    formats = ["-f", "txt", "-f", "json"]
    with serve("http", refusing(b"b", "INVALID_AUDIO: no")) as url:
        first = run("transcribe", calls, *formats, "-o", out, url=url)
    assert first.exit_code == 1
    (out / "a.txt").write_text("mine")
    (out / "deep/c.json").unlink()
    asked: list[bytes] = []

    def answer(*call: Any) -> bytes:
        asked.append(call[2])
        return plain(*call)

    with serve("http", answer) as url:
        second = run("transcribe", calls, *formats, "-o", out, "--resume", url=url)
        third = run("transcribe", calls, *formats, "-o", out, "--resume", url=url)
    assert second.exit_code == 0
    assert sorted(asked) == [b"b", b"c"]
    assert f"skipped: {calls / 'a.mp3'}: there already: {out / 'a.txt'}, {out / 'a.json'}" in second.stderr
    assert second.stderr.endswith("3 recordings: 2 finished, 1 skipped\n")
    assert third.stderr.endswith("3 recordings: 3 skipped\n")
    assert (out / "a.txt").read_text() == "mine"


def test_a_file_that_was_not_written_to_its_end_does_not_count(
    recording: Path, tmp_path: Path, serve: Serve
) -> None:
    (tmp_path / ".triologue-0123.part").write_text("half")
    with serve("http", plain) as url:
        result = run("transcribe", recording, "-o", tmp_path / "a.txt", "--resume", url=url)
    assert result.exit_code == 0
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == LINE
