"""What a manifest may say, and what is told of one that is wrong."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from triologue.batch import Entry, Manifest, ManifestError


def manifest_of(folder: Path, *lines: object) -> Manifest:
    path = folder / "calls.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return Manifest(str(path))


def test_paths_are_relative_to_the_manifest_and_ids_are_made_of_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest_of(
        tmp_path,
        {"audio": "deep/a.wav"},
        "",
        {"audio": "/else/b.c.wav", "id": 7, "options": {"beam_size": 1}, "metadata": {"team": "news"}},
        {"audio": "https://me:pw@host/x%20y%3Az.mp3?key=secret"},
        {"audio": "s3://bucket/.hidden?.wav"},
    )
    monkeypatch.chdir(tmp_path)
    manifest = Manifest("calls.jsonl")
    assert manifest.check() == 4
    assert list(manifest.entries()) == [
        Entry(1, "a", str(tmp_path / "deep/a.wav")),
        Entry(3, "7", "/else/b.c.wav", {"beam_size": 1}, {"team": "news"}),
        Entry(4, "x y_z", "https://me:pw@host/x%20y%3Az.mp3?key=secret"),
        Entry(5, "hidden_", "s3://bucket/.hidden?.wav"),
    ]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "it is no JSON: Expecting property name"),
        ("[" * 100_000, "it is no JSON: RecursionError"),
        ("7", "it is no object"),
        ({}, "audio: give the path or URL of the recording"),
        ({"audio": 7}, "audio: give the path or URL of the recording"),
        ({"audio": "a.wav", "id": ""}, "id: give a text that is not empty"),
        ({"audio": "a.wav", "id": True}, "id: give a text that is not empty"),
        ({"audio": "a.wav", "options": [1]}, "options: give an object"),
        ({"audio": "a.wav", "metadata": "x"}, "metadata: give an object"),
        ({"audio": "a.wav", "beam": 1}, "beam: no such key; the keys are audio, id, metadata, options"),
    ],
)
def test_a_line_that_is_wrong_is_so_for_itself(line: object, wrong: str, tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, line, {"audio": "good.wav"})
    assert manifest.check() == 2
    bad, good = manifest.entries()
    assert bad.wrong.startswith(wrong)
    assert (good.id, good.wrong) == ("good", "")


@pytest.mark.parametrize("id", ["../a", "a/b", ".a", "a.", "a:b", "a\nb", "a.error", "\ud800", "é" * 101])
def test_an_id_that_is_no_name_for_a_file_refuses_all(id: str, tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, {"audio": "good.wav"}, {"audio": "a.wav", "id": id})
    with pytest.raises(ManifestError, match=r"line 2: the id .* is no safe name for a file"):
        manifest.check()


@pytest.mark.parametrize("second", [{"audio": "b.wav", "id": "A"}, {"audio": "deep/a.mp3"}])
def test_an_id_that_is_there_twice_refuses_all(second: dict[str, str], tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, {"audio": "a.wav"}, "{", second)
    with pytest.raises(ManifestError, match=r"calls.jsonl: lines 1 and 3: both have the id '[aA]'"):
        manifest.check()


def test_not_every_line_is_named(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, *({"audio": "a.wav"} for _ in range(30)))
    with pytest.raises(ManifestError, match=r"lines 1 and 11: [^;]*; and 19 more$"):
        manifest.check()


def test_parquet_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "calls.parquet"
    rows: list[dict[str, Any]] = [
        {"audio": "a.wav", "id": None, "options": {"beam_size": 1, "language": None}, "metadata": '{"n": 1}'},
        {"audio": "b.wav", "id": "x", "options": None, "metadata": None},
        {"audio": None, "id": "y", "options": None, "metadata": "{"},
    ]
    parquet.write_table(pa.Table.from_pylist(rows), path)
    manifest = Manifest(str(path))
    assert manifest.check() == 3
    first, second, third = manifest.entries()
    assert first == Entry(1, "a", str(tmp_path / "a.wav"), {"beam_size": 1}, {"n": 1})
    assert second == Entry(2, "x", str(tmp_path / "b.wav"))
    assert third.wrong == "audio: give the path or URL of the recording"


def test_maps_and_dates_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "calls.parquet"
    table = pa.table(
        {
            "audio": ["a.wav"],
            "options": pa.array([[("beam_size", 1)]], pa.map_(pa.string(), pa.int64())),
            "metadata": [{"at": datetime(2026, 1, 2)}],
        }
    )
    parquet.write_table(table, path)
    (entry,) = Manifest(str(path)).entries()
    assert entry.options == {"beam_size": 1}
    assert entry.metadata == {"at": datetime(2026, 1, 2)}


def test_a_manifest_elsewhere() -> None:
    fsspec.filesystem("memory").pipe_file("/calls/march.jsonl", b'{"audio": "deep/a.wav"}\n')
    (entry,) = Manifest("memory://calls/march.jsonl").entries()
    assert entry.audio == "memory://calls/deep/a.wav"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("calls.csv", b"", "a manifest ends in .jsonl or .parquet"),
        ("missing.jsonl", None, "cannot be read: No such file or directory"),
        ("calls.parquet", b"no parquet", "cannot be read: .*Parquet"),
        ("nowhere://calls.jsonl", None, "cannot be read: .*nowhere"),
    ],
)
def test_a_manifest_that_cannot_be_read(name: str, content: bytes | None, why: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestError, match=why):
        Manifest(name if "://" in name else str(tmp_path / name)).check()
