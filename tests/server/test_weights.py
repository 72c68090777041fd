"""Weights that are missing or damaged: the server does not start, and says which file and what to do."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.repository import CHECKOUT
from triologue_server.triton.server import TritonServer

WHISPER = "whisper/tiny.en"
DIARIZATION = "diarization/embedded"


def copied(model: str, folder: Path) -> Path:
    """Fill a folder with links to the files of a model."""
    folder.mkdir(parents=True)
    for file in ModelStore().require(resolve(model)).iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def changed(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file that is a link to one of the store, which stays as it is."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(change(content))


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


Refuse = Callable[..., str]


@pytest.fixture
def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Return a function that starts a server of one model, which is to fail, and returns what was said."""
    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.setenv("TRIOLOGUE_MODEL_REPOSITORY", str(repository))

    def serve(model: str, *flags: str) -> str:
        (repository / model).symlink_to(CHECKOUT / "model_repository" / model)
        program = Path(sys.executable).with_name("triologue-server")
        done = subprocess.run(
            [program, "serve", *flags, "--", "true"], capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 1, done.stderr
        # Nothing is left to be read out of a traceback.
        assert "Traceback" not in done.stderr
        return done.stderr.partition("error: ")[2]

    return serve


def test_a_model_of_the_store_is_told_file_by_file(refuse: Refuse, tmp_path: Path) -> None:
    models = tmp_path / "models"
    folder = copied(WHISPER, models / WHISPER)
    changed(folder / "model.bin", flipped)
    changed(folder / "config.json", cut)
    (folder / "tokenizer.json").unlink()
    said = refuse("whisper", "--whisper=tiny.en", f"--models={models}")
    assert said == (
        f"not in {models}, or not complete there:\n"
        f"  {WHISPER}: model.bin is corrupt, config.json is corrupt, tokenizer.json is missing\n"
        f"run `triologue-server models fetch {WHISPER} --models {models}`, or serve with --fetch\n"
    )


def test_a_file_that_a_folder_lacks_is_told_before_triton_starts(refuse: Refuse, tmp_path: Path) -> None:
    folder = copied(WHISPER, tmp_path / "own")
    (folder / "tokenizer.json").unlink()
    said = refuse("whisper", f"--whisper={folder}")
    assert said.startswith(
        f"{folder / 'tokenizer.json'} is missing: the folder must hold a CTranslate2 model"
    )


def test_weights_of_a_folder_that_were_cut_short_are_named(refuse: Refuse, tmp_path: Path) -> None:
    folder = copied(WHISPER, tmp_path / "own")
    changed(folder / "model.bin", cut)
    said = refuse("whisper", f"--whisper={folder}")
    assert said.startswith("Triton cannot load a model:\n")
    assert f"Whisper's {folder / 'model.bin'} cannot be loaded (RuntimeError: " in said
    assert "a folder of your own must be copied again" in said


def test_weights_of_a_pipeline_that_were_cut_short_are_named(refuse: Refuse, tmp_path: Path) -> None:
    folder = copied(DIARIZATION, tmp_path / "own")
    changed(folder / "campplus.pt", cut)
    said = refuse("speaker_embedding", f"--diarization={folder}")
    assert f"{folder / 'campplus.pt'} cannot be loaded (RuntimeError: " in said
    assert "a folder of your own must be copied again" in said


def test_weights_that_go_after_they_were_verified_are_named(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "whisper").symlink_to(CHECKOUT / "model_repository" / "whisper")
    settings = Settings(
        model_repository=tmp_path / "repository",
        models=tmp_path / "models",
        whisper={"model": "tiny.en"},
        http_port=0,
        grpc_port=0,
        metrics_port=0,
    )
    (copied(WHISPER, tmp_path / "models" / WHISPER) / "model.bin").unlink()
    message = (
        rf"{WHISPER} is not complete in {tmp_path / 'models'} \(missing or damaged: model\.bin\): "
        f"run `triologue-server models fetch {WHISPER}`"
    )
    with pytest.raises(LaunchError, match=message):
        TritonServer(settings).start()
