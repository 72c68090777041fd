"""Voices on the command line: enrolled into a file, and known in recordings."""

import json
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.conftest import echo
from typer.testing import CliRunner, Result

from triologue.cli import app
from triologue.schema import InvalidOption, KnownSpeaker
from triologue.voices import read_voices, to_text, with_voice, write_voices

Serve = Callable[..., AbstractContextManager[str]]

ANN = KnownSpeaker(name="Ann Lee", embedding=(0.25, -1.0))
BEN = KnownSpeaker(name="Jürgen Groß", clip="UklGRg==")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "ann.wav"
    path.write_bytes(b"RIFF")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "voices.json"


def run(*arguments: str | Path, url: str | None = None) -> Result:
    env = {"TRIOLOGUE_URL": url, "COLUMNS": "200", "NO_COLOR": "1", "TERMINAL_WIDTH": "200"}
    return CliRunner(env=env).invoke(app, [str(argument) for argument in arguments])


def answer_with(**fields: Any) -> Callable[..., bytes]:
    def answer(*call: Any) -> bytes:
        return json.dumps(json.loads(echo(*call)) | fields).encode()

    return answer


HEARD = answer_with(speaker_embeddings={"SPEAKER_00": [0.25, -1.0]})


def test_a_file_reads_back_as_it_was_written(file: Path) -> None:
    write_voices(file, [ANN, BEN])
    assert read_voices(file) == (ANN, BEN)
    assert file.read_text(encoding="utf-8") == (
        '[\n{"name":"Ann Lee","embedding":[0.25,-1.0]},\n{"name":"Jürgen Groß","clip":"UklGRg=="}\n]\n'
    )


def test_a_new_file_is_for_its_owner_and_an_old_one_keeps_its_mode(file: Path) -> None:
    write_voices(file, [ANN])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    write_voices(file, [ANN, BEN])
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_link_leads_to_the_new_file(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file)
    write_voices(link, [ANN])
    write_voices(link, [BEN])
    assert link.is_symlink()
    assert read_voices(file) == (BEN,)


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left_behind(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    write_voices(file, [ANN])
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_voices(file, [BEN])
    assert read_voices(file) == (ANN,)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no JSON: "),
        (b"RIFF\xff", "no JSON: "),
        (b'[{"name": "Ann"', "no JSON: .*line 1"),
        (b"{}", "known_speakers: "),
        (b'"Ann"', "known_speakers: "),
        (b'[{"name": "Ann"}]', r"known_speakers\.0: give either an embedding or a clip"),
        (b'[{"name": "SPEAKER_00", "embedding": [1]}]', r"known_speakers\.0\.name: "),
    ],
)
def test_a_file_that_holds_something_else(content: bytes, message: str, file: Path) -> None:
    file.write_bytes(content)
    with pytest.raises(InvalidOption, match=f"^{file}: {message}"):
        read_voices(file)


def test_a_new_voice_takes_the_place_of_the_old_one() -> None:
    new = KnownSpeaker(name="Ann Lee", embedding=(1.0,))
    assert with_voice((ANN, BEN), new) == (new, BEN)
    assert with_voice((), ANN) == (ANN,)


def test_a_request_takes_no_more_than_a_hundred() -> None:
    hundred = tuple(KnownSpeaker(name=str(number), embedding=(1.0,)) for number in range(100))
    with pytest.raises(InvalidOption, match=r"^known_speakers: .*100"):
        with_voice(hundred, ANN)


def test_enroll_prints_a_list(clip: Path, serve: Serve) -> None:
    with serve("http", HEARD) as url:
        result = run("enroll", clip, "--name", "Ann Lee", url=url)
    assert result.exit_code == 0
    assert result.stdout == to_text([ANN])
    assert result.stderr == ""


def test_enroll_adds_to_a_file_and_replaces_in_it(clip: Path, file: Path, serve: Serve) -> None:
    write_voices(file, [KnownSpeaker(name="Ann Lee", embedding=(1.0,)), BEN])
    with serve("http", HEARD) as url:
        replaced = run("enroll", clip, "--name", "Ann Lee", "-o", file, url=url)
        added = run("enroll", clip, "--name", "Zoë", "-o", file, url=url)
    assert replaced.stderr == f"Ann Lee is one of 2 in {file}\n"
    assert added.stderr == f"Zoë is one of 3 in {file}\n"
    assert replaced.stdout == added.stdout == ""
    assert read_voices(file) == (ANN, BEN, KnownSpeaker(name="Zoë", embedding=(0.25, -1.0)))


def test_enroll_makes_the_file(clip: Path, file: Path, serve: Serve) -> None:
    with serve("http", HEARD) as url:
        assert run("enroll", clip, "--name", "Ann Lee", "-o", file, url=url).exit_code == 0
    assert read_voices(file) == (ANN,)


def test_a_file_that_cannot_be_written_is_named(
    clip: Path, file: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with serve("http", HEARD) as url:
        result = run("enroll", clip, "--name", "Ann", "-o", file, url=url)
    assert result.exit_code == 1
    assert result.stderr == f"error: UNWRITABLE: {file} cannot be written: No space left on device\n"
    assert not file.exists()


def test_nobody_is_enrolled_from_silence(clip: Path, file: Path, serve: Serve) -> None:
    with serve("http", answer_with(turns=[])) as url:
        result = run("enroll", clip, "--name", "Ann", "-o", file, url=url)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: INVALID_AUDIO: {clip}: nobody speaks")
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "--name"),
        (["--name", "Ann", "-o", "."], 2, "directory"),
        (["--name", "Ann", "-o", "missing/voices.json"], 2, "does not exist"),
        (["--name", "SPEAKER_07"], 2, "error: INVALID_OPTION: name: give a name other"),
        (["--name", "Ann", "--retries", "0"], 3, "error: UNAVAILABLE: "),
    ],
)
def test_enroll_that_is_refused(
    arguments: list[str], status: int, said: str, clip: Path, free_port: int
) -> None:
    result = run("enroll", clip, *arguments, url=f"http://127.0.0.1:{free_port}")
    assert result.exit_code == status
    assert said in result.stderr
    assert result.stdout == ""


def test_a_recording_is_no_file_of_voices(clip: Path, free_port: int) -> None:
    result = run("enroll", clip, "--name", "Ann", "-o", clip, url=f"http://127.0.0.1:{free_port}")
    assert result.exit_code == 2
    assert "no JSON" in result.stderr
    assert clip.read_bytes() == b"RIFF"


@pytest.mark.parametrize("command", [["diarize"], ["transcribe", "--diarize"]])
def test_known_speakers_are_a_file_or_json(command: list[str], clip: Path, file: Path, serve: Serve) -> None:
    write_voices(file, [ANN, BEN])
    expected = [{"name": "Ann Lee", "embedding": [0.25, -1.0]}, {"name": "Jürgen Groß", "clip": "UklGRg=="}]
    with serve("http") as url:
        for given in (str(file), file.read_text(encoding="utf-8")):
            result = run(*command, clip, "--known-speakers", given, url=url)
            seen = json.loads(result.stderr.splitlines()[0].removeprefix("warning: "))["parameters"]
            assert list(seen) == ["known_speakers"]
            assert json.loads(seen["known_speakers"]) == expected


def test_a_broken_file_of_voices_is_told_before_anything_is_sent(
    clip: Path, file: Path, free_port: int
) -> None:
    file.write_text('[{"name": "Ann"}]', encoding="utf-8")
    result = run("diarize", clip, "--known-speakers", file, url=f"http://127.0.0.1:{free_port}")
    assert result.exit_code == 2
    assert "--known-speakers" in result.stderr
    assert "known_speakers.0: give either an embedding or a clip" in result.stderr


RECOGNISED = answer_with(
    turns=[{"time_interval": {"start": 0.5, "end": 1.0}, "speaker": "Ann Lee"}],
    known_speakers={"Ann Lee": 0.834},
    warnings=[],
)


def test_who_was_recognised_is_told_on_stderr(clip: Path, serve: Serve) -> None:
    with serve("http", RECOGNISED) as url:
        text = run("diarize", clip, url=url)
        rttm = run("diarize", clip, "-f", "rttm", url=url)
        transcript = run("transcribe", "--diarize", clip, "-f", "rttm", url=url)
    assert text.stdout.startswith("[00:00:00.500 → 00:00:01.000] Ann Lee\n")
    assert rttm.stdout == "SPEAKER ann 1 0.500 0.500 <NA> <NA> Ann_Lee <NA> <NA>\n"
    assert transcript.stdout == rttm.stdout
    for result in (text, rttm, transcript):
        assert result.stderr.splitlines()[0] == "recognised: Ann Lee (similarity 0.83)"
