"""Archives against a real server: every recording once, whatever happens, here and on Ray."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.server.recordings import part
from tests.server.test_commands import BIN, triologue
from triologue import Client, DiarizedTranscriptionResult
from triologue.batch import Manifest, Plan, Row, on_ray, on_threads
from triologue.batch.on_ray import rows_of, running
from triologue_server.triton.server import TritonServer

GOOD = ("a", "b", "c", "d")
FAST = {"language": "en", "beam_size": 1}


@pytest.fixture
def lines(tmp_path: Path, sample: Path) -> list[dict[str, Any]]:
    """Four recordings of a few seconds, and one that is none among them."""
    for number, name in enumerate(GOOD):
        (tmp_path / f"{name}.wav").write_bytes(part(sample, 6.0 + 3 * number, 10.0 + 3 * number))
    (tmp_path / "broken.wav").write_text("no recording")
    names = [*GOOD[:2], "broken", *GOOD[2:]]
    return [{"audio": f"{name}.wav", "options": dict(FAST)} for name in names]


def jsonl(folder: Path, lines: list[dict[str, Any]]) -> Manifest:
    path = folder / "calls.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return Manifest(str(path))


def words(place: Path, name: str) -> str:
    """Return what was said, out of a result that is whole."""
    return DiarizedTranscriptionResult.model_validate_json((place / f"{name}.json").read_bytes()).text


def statuses(rows: Iterator[Row]) -> dict[str, str]:
    return {row.id: row.code or row.status for row in rows}


def test_a_parquet_manifest_with_options_of_each_line(
    triton: TritonServer, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    lines[0] |= {"id": "first", "options": FAST | {"max_speakers": 1, "attribution": "word"}}
    lines[1] |= {"options": FAST | {"max_speakers": 0}}
    manifest = tmp_path / "calls.parquet"
    parquet.write_table(pa.Table.from_pylist([line | {"metadata": {"n": 1}} for line in lines[:3]]), manifest)
    plan = Plan("memory://out/batch", formats=("srt",))
    connect = partial(Client, triton.grpc_url)
    rows = {row.id: row for row in on_threads(Manifest(str(manifest)).entries(), plan, connect, jobs=2)}
    assert (rows["first"].status, rows["first"].metadata) == ("finished", {"n": 1})
    assert rows["first"].audio_seconds == pytest.approx(4.0)
    assert rows["b"].code == "INVALID_OPTION"
    assert rows["b"].message.startswith("line 2: max_speakers: ")
    assert rows["broken"].code == "INVALID_AUDIO"
    written = fsspec.filesystem("memory")
    assert sorted(path.rpartition("/")[2] for path in written.ls("/out/batch", detail=False)) == [
        *["b.error.json", "broken.error.json", "first.json", "first.srt"]
    ]
    result = DiarizedTranscriptionResult.model_validate_json(written.cat_file("/out/batch/first.json"))
    assert {turn.speaker for turn in result.turns} == {"SPEAKER_00"}


def test_a_run_that_is_killed_goes_on_where_it_was(
    triton: TritonServer, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    manifest, place = jsonl(tmp_path, lines), tmp_path / "out"
    command = ["batch", manifest.url, "-o", str(place), "-f", "vtt", "--json"]
    process = subprocess.Popen(
        [str(BIN / "triologue"), *command],
        env={**os.environ, "TRIOLOGUE_URL": triton.http_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (place / "b.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (place / ".triologue-0123456789ab.part").write_text("half")
    done = {path: path.stat().st_mtime_ns for path in place.glob("?.json")}
    assert 2 <= len(done) < 4
    run = triologue(triton, *command)
    assert run.returncode == 1
    told = [json.loads(line) for line in run.stderr.splitlines()]
    skipped = {line["recording"] for line in told if line["event"] == "skipped"}
    finished = {line["recording"] for line in told if line["event"] == "finished"}
    assert skipped == {path.stem for path in done}
    assert finished == {*GOOD} - skipped
    assert [line["code"] for line in told if line["event"] == "failed"] == ["INVALID_AUDIO"]
    assert {path: path.stat().st_mtime_ns for path in done} == done
    names = [*(f"{name}{ending}" for name in GOOD for ending in (".json", ".vtt")), "broken.error.json"]
    assert sorted(path.name for path in place.iterdir()) == sorted(names)
    assert all(words(place, name) for name in GOOD)


def test_duplicates_are_refused(triton: TritonServer, lines: list[dict[str, Any]], tmp_path: Path) -> None:
    lines[4]["id"] = "a"
    run = triologue(triton, "batch", jsonl(tmp_path, lines).url, "-o", str(tmp_path / "out"))
    assert run.returncode == 2
    assert "lines 1 and 5: both have the id 'a'" in " ".join(run.stderr.split())


def test_ray_writes_the_same_and_once(
    triton: TritonServer, lines: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    manifest, connect = jsonl(tmp_path, lines[:3]), partial(Client, triton.http_url)
    good = GOOD[:2]
    here, there = tmp_path / "here", tmp_path / "there"
    expected = statuses(on_threads(manifest.entries(), Plan(str(here), formats=("srt",)), connect, jobs=2))
    assert expected == {**dict.fromkeys(good, "finished"), "broken": "INVALID_AUDIO"}
    plan = Plan(str(there), formats=("srt",))
    with running():
        first = on_ray(manifest.entries(), plan, connect, jobs=2)
        assert statuses(rows_of(first)) == expected
        written = {path: path.stat().st_mtime_ns for path in there.iterdir()}
        on_ray(manifest.entries(), plan, connect).write_parquet(str(tmp_path / "rows"))
    rows = parquet.read_table(tmp_path / "rows").to_pylist()
    assert {row["id"]: row["code"] or row["status"] for row in rows} == {
        **dict.fromkeys(good, "skipped"),
        "broken": "INVALID_AUDIO",
    }
    assert sorted(path.name for path in written) == sorted(path.name for path in here.iterdir())
    assert all(written[path] == path.stat().st_mtime_ns for path in written if "broken" not in path.name)
    assert [words(there, name) for name in good] == [words(here, name) for name in good]
