"""Where results go, and that none is lost."""

import json
import os
import re
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.running import LINE, SUMMARY, Serve, logged, plain, run

from triologue.schema import DiarizationResult
from triologue.writing import write_whole


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_transcript_on_stdout_and_all_else_on_stderr(recording: Path, serve: Serve) -> None:
    with serve("http", plain) as url:
        result = run("transcribe", recording, "--diarize", url=url)
    assert result.exit_code == 0
    assert result.stdout == LINE
    assert result.stderr == f"{SUMMARY} · 1 speaker\n"


def test_quiet_leaves_warnings_and_errors(recording: Path, serve: Serve) -> None:
    with serve("http") as url:
        result = run("transcribe", recording, "--quiet", url=url)
    assert result.stdout == LINE
    assert re.fullmatch("warning: {.*}\n", result.stderr)


def test_json_reads_back(recording: Path, serve: Serve) -> None:
    with serve("http", plain) as url:
        result = run("diarize", recording, "-f", "json", url=url)
    assert DiarizationResult.model_validate_json(result.stdout).speakers == ["SPEAKER_00"]


def test_output_to_a_file(recording: Path, tmp_path: Path, serve: Serve) -> None:
    target = tmp_path / "out.txt"
    with serve("http", plain) as url:
        result = run("transcribe", recording, "-o", target, url=url)
    assert target.read_text(encoding="utf-8") == LINE
    assert result.stdout == ""
    assert result.stderr == f"{SUMMARY} · {target}\n"


@pytest.mark.parametrize(
    ("arguments", "starts"),
    [
        (["-o", "a.srt"], "1\n00:00:00,000"),
        (["-o", "a.VTT"], "WEBVTT"),
        (["-o", "a.srt", "-f", "json"], "{"),
        (["-o", "a.odt"], "[00:00:00.000"),
    ],
)
def test_the_ending_of_a_file_tells_its_format(
    arguments: list[str],
    starts: str,
    recording: Path,
    tmp_path: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with serve("http", plain) as url:
        assert run("transcribe", recording, *arguments, url=url).exit_code == 0
    assert Path(arguments[1]).read_text(encoding="utf-8").startswith(starts)


def test_several_formats_and_folders_within_folders(calls: Path, tmp_path: Path, serve: Serve) -> None:
    out = tmp_path / "new" / "out"
    formats = ["-f", "srt", "-f", "json", "-f", "srt"]
    with serve("http", plain) as url:
        result = run("transcribe", calls, *formats, "-o", out, url=url)
    assert result.exit_code == 0
    assert files_in(out) == ["a.json", "a.srt", "b.json", "b.srt", "deep/c.json", "deep/c.srt"]
    assert json.loads((out / "deep/c.json").read_text())["type"] == "transcription"
    assert (out / "b.srt").read_text().startswith("1\n00:00:00,000")
    assert result.stderr.endswith("3 recordings: 3 finished\n")


def test_a_folder_of_one_recording_needs_a_folder_too(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").touch()
    with serve("http", plain) as url:
        run("transcribe", tmp_path / "in", "-o", tmp_path / "out", url=url)
    assert files_in(tmp_path / "out") == ["a.txt"]


def test_several_recordings_need_a_folder_with_room_for_each(recording: Path, tmp_path: Path) -> None:
    other = tmp_path / "meeting.wav"
    other.write_bytes(b"RIFF")
    same_name = run("transcribe", recording, other, "-o", tmp_path / "out")
    assert f"{recording} and {other} would be written to the same name" in same_name.stderr
    a_file = run("transcribe", recording, other, "-o", recording)
    assert "is a file" in a_file.stderr
    below_a_file = run("transcribe", recording, tmp_path / "a.wav", "-o", recording / "out")
    no_folder = [run("transcribe", recording, other, "-f", name) for name in ("srt", "vtt", "tsv", "html")]
    assert all("need a folder" in result.stderr for result in no_folder)
    for result in (same_name, a_file, below_a_file, *no_folder):
        assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_sent(recording: Path) -> None:
    result = run("transcribe", recording, "-f", "srt", "-f", "json", "-o", recording / "out")
    assert result.exit_code == 2
    assert f"{recording}" in result.stderr
    assert "Traceback" not in result.output


def test_results_that_can_be_told_apart_follow_one_another(calls: Path, serve: Serve) -> None:
    with serve("http", plain) as url:
        text = run("transcribe", calls, url=url)
        turns = run("diarize", calls, "-f", "rttm", url=url)
        notes = run("transcribe", calls, "-f", "md", url=url)
    names = [calls / name for name in ("a.mp3", "b.wav", "deep/c.MKV")]
    assert text.stdout == "\n".join(f"{name}:\n{LINE}" for name in names)
    assert [line.split()[1] for line in turns.stdout.splitlines()] == ["a", "b", "c"]
    assert re.findall("(?:^|\n\n)# (.)\n", notes.stdout) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "arguments", [["-o", "meeting.wav"], ["-o", "."], ["-f", "txt", "-f", "srt", "-o", "."]]
)
def test_a_recording_is_never_written_over(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    # In a folder, the transcript of notes.txt would be called notes.txt.
    recording = Path("meeting.wav" if arguments[-1] == "meeting.wav" else "notes.txt")
    recording.write_bytes(b"RIFF")
    for more in ([], ["--resume"]):
        result = run("transcribe", recording, *arguments, *more, url=f"http://127.0.0.1:{free_port}")
        assert result.exit_code == 2
        assert "is a recording, and would be lost" in result.stderr
        assert recording.read_bytes() == b"RIFF"


def test_a_recording_is_not_written_over_through_a_link(
    recording: Path, tmp_path: Path, free_port: int
) -> None:
    (tmp_path / "out.srt").symlink_to(recording)
    result = run("transcribe", recording, "-o", tmp_path / "out.srt", url=f"http://127.0.0.1:{free_port}")
    assert result.exit_code == 2
    assert recording.read_bytes() == b"RIFF"


def test_a_result_that_cannot_be_written_goes_to_stdout(
    calls: Path, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def fail(path: Path, target: Path) -> Any:
        if target.name == "b.txt":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail)
    out = tmp_path / "out"
    with serve("http", plain) as url:
        result = run("transcribe", calls, "-o", out, url=url)
        again = run("transcribe", calls, "-o", out, "--json", "--resume", url=url)
    assert result.exit_code == 1
    assert result.stdout == f"{calls / 'b.wav'}:\n{LINE}"
    assert (
        f"error: UNWRITABLE: {calls / 'b.wav'}: {out / 'b.txt'} cannot be written: No space left on device\n"
        in result.stderr
    )
    assert result.stderr.endswith("3 recordings: 2 finished, 1 failed\n")
    assert files_in(out) == ["a.txt", "deep/c.txt"]
    told = [line["event"] for line in logged(again.stderr) if line["event"] != "progress"]
    assert told == ["skipped", "skipped", "started", "failed", "summary"]


def test_of_several_formats_the_others_are_written(
    recording: Path, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out" / "meeting.srt").mkdir(parents=True)
    with serve("http", plain) as url:
        result = run("transcribe", recording, "-f", "srt", "-f", "json", "-o", tmp_path / "out", url=url)
    assert result.exit_code == 1
    assert result.stdout.startswith("1\n00:00:00,000")
    assert files_in(tmp_path / "out") == ["meeting.json"]


def test_a_pipe_is_written_to_and_stays_one(recording: Path, tmp_path: Path, serve: Serve) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    came: list[str] = []
    reader = threading.Thread(target=lambda: came.append(pipe.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    with serve("http", plain) as url:
        result = run("transcribe", recording, "-o", pipe, url=url)
    reader.join(10)
    assert result.exit_code == 0
    assert came == [LINE]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_writing_leaves_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    write_whole(target, "old")
    target.chmod(0o640)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_whole(target, "new")
    assert target.read_text() == "old"
    write_whole(target, "newer")
    assert target.read_text() == "newer"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert files_in(tmp_path) == ["a.txt"]


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_whole(tmp_path / "new", "text")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_lines_of_subtitles_and_paragraphs(recording: Path, serve: Serve) -> None:
    said = [" The rain has stopped,", " and we are going out now."]
    times = [{"start": 0.0, "end": 2.0}, {"start": 2.0, "end": 5.0}]
    transcript = json.loads(plain("transcription")) | {
        "segments": [{"text": text, "time_interval": time} for text, time in zip(said, times, strict=True)],
        "transcription": {"text": "".join(said).strip()},
    }
    with serve("http", lambda *_: json.dumps(transcript).encode()) as url:
        srt = run("transcribe", recording, "-f", "srt", "--max-line-chars", "16", "--max-lines", "3", url=url)
        text = run("transcribe", recording, "--paragraphs", url=url)
    assert srt.stdout == (
        "1\n00:00:00,000 --> 00:00:02,000\nThe rain\nhas stopped,\n\n"
        "2\n00:00:02,000 --> 00:00:05,000\nand we are\ngoing out now.\n"
    )
    assert text.stdout == "[00:00:00.000 → 00:00:05.000] The rain has stopped, and we are going out now.\n"
