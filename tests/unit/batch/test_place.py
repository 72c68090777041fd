"""Results are there as a whole or not at all, wherever they go."""

from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from triologue.batch.place import Place


class Shared(DirFileSystem):
    """A file system with folders that is not this machine's, as far as anyone can tell."""

    protocol = "shared"
    cachable = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(path="/", fs=LocalFileSystem(), **settings)


fsspec.register_implementation("shared", Shared, clobber=True)


@pytest.fixture(params=["", "file://", "memory:/", "shared:/"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    place = Place(f"{request.param}{tmp_path}/new/folder")
    place.prepare()
    return place


def test_what_is_written_is_there_and_goes_away(place: Place) -> None:
    assert not place.holds("a.txt")
    place.write("a.txt", "één")
    place.write("a.txt", "twee ö")
    assert place.holds("a.txt")
    assert place.read("a.txt").decode() == "twee ö"
    place.remove("a.txt")
    place.remove("a.txt")
    assert not place.holds("a.txt")


@pytest.mark.parametrize("scheme", ["", "shared:/"])
def test_what_was_left_half_written_goes_away(scheme: str, tmp_path: Path) -> None:
    for name in (".triologue-0123.part", "a.json", ".other.part"):
        (tmp_path / name).write_text("{}")
    Place(f"{scheme}{tmp_path}").prepare()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.part", "a.json"]


@pytest.mark.parametrize("scheme", ["", "shared:/"])
def test_a_failed_write_leaves_what_was_there(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(f"{scheme}{tmp_path}")
    place.write("a.txt", "old")

    def fails(*arguments: object, **settings: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    monkeypatch.setattr(LocalFileSystem, "pipe_file", fails)
    with pytest.raises(OSError, match="No space left"):
        place.write("a.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Place(str(tmp_path / "file")).prepare()
    with pytest.raises(OSError, match="nowhere"):
        Place("nowhere://x")
