"""Weight files are data: nothing that they name is run."""

import pickle
from pathlib import Path

import pytest
import torch

from triologue_server.diarization.pipeline import SEGMENTATION_FILE, load_pipeline
from triologue_server.loading import ModelNotLoaded
from triologue_server.store import ModelStore, resolve_diarization
from triologue_server.triton.server import _DEFAULTS


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.fixture(autouse=True)
def as_the_server_does(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_FORCE_WEIGHTS_ONLY_LOAD",):
        monkeypatch.setenv(name, _DEFAULTS[name])


def test_the_embedded_pipeline_loads() -> None:
    load_pipeline(ModelStore().require(resolve_diarization("embedded")))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    for path in ModelStore().require(resolve_diarization("embedded")).iterdir():
        (tmp_path / path.name).symlink_to(path)
    sprung = tmp_path / "sprung"
    checkpoint = tmp_path / SEGMENTATION_FILE
    found = torch.load(checkpoint, map_location="cpu")
    checkpoint.unlink()
    torch.save({**found, "callbacks": Trap(sprung)}, checkpoint)
    with pytest.raises((ModelNotLoaded, pickle.UnpicklingError)):
        load_pipeline(tmp_path)
    assert not sprung.exists()
