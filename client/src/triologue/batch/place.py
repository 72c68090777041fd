"""A place for results, wherever fsspec writes: a file is there as a whole, or not at all."""

from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from triologue.batch.files import file_system, is_local, is_path, reaching
from triologue.writing import PARTS, part_name, write_whole

# A key of these holds what it held before until all of a new object has come, and they have no folders.
_OBJECT_STORES = {"s3", "gs", "abfs", "az", "oss", "memory"}


class Place:
    """A folder, or what stands for one.

    Args:
        url: A path or a URL that fsspec writes to.

    Raises:
        ImportError: An extra, or what fsspec reaches it by, is not installed.
        OSError: There is no such file system, or it cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.url = str(Path(url).absolute()) if is_path(url) else url
        """The place; a path is absolute, so that it holds for every process."""
        self._files, root = file_system(self.url)
        self._root = root.rstrip("/")
        self._is_local = is_local(self._files)
        protocols = self._files.protocol
        names = {protocols} if isinstance(protocols, str) else set(protocols)
        self._is_store = bool(names & _OBJECT_STORES)

    def prepare(self) -> None:
        """Make it, take away what a run that was killed left half written, and see that it can be written to.

        Raises:
            OSError: It cannot be; the message names it.
        """
        with reaching(self.url):
            if not self._is_store:
                self._files.makedirs(self._root, exist_ok=True)
        self.clear()
        probe = part_name()
        self.write(probe, "")
        self.remove(probe)

    def clear(self) -> None:
        """Take away what was left half written.

        Raises:
            OSError: It cannot be.
        """
        if self._is_store:
            return
        with reaching(self.url):
            for path in self._files.ls(self._root, detail=False):
                if fnmatch(path.rpartition("/")[2], PARTS):
                    self._files.rm_file(path)
            self._files.invalidate_cache()

    def holds(self, name: str) -> bool:
        """Say whether a file is there.

        Raises:
            OSError: It cannot be told.
        """
        with reaching(self._url(name)):
            return bool(self._files.exists(self._at(name)))

    def read(self, name: str) -> bytes:
        """Return what a file holds.

        Raises:
            OSError: It cannot be read.
        """
        with reaching(self._url(name)):
            data: bytes = self._files.cat_file(self._at(name))
            return data

    def write(self, name: str, text: str) -> None:
        """Write a file as a whole, or leave the one there is, or none.

        Raises:
            OSError: It cannot be written.
        """
        path = self._at(name)
        if self._is_local:
            write_whole(Path(path), text)
            return
        data = text.encode("utf-8", "surrogateescape")
        with reaching(self._url(name)):
            if self._is_store:
                self._files.pipe_file(path, data)
            else:
                self._write_aside(path, data)

    def remove(self, name: str) -> None:
        """Take a file away, where there is one.

        Raises:
            OSError: It cannot be.
        """
        with reaching(self._url(name)), suppress(FileNotFoundError):
            self._files.rm_file(self._at(name))

    def _write_aside(self, path: str, data: bytes) -> None:
        beside = self._at(part_name())
        try:
            self._files.pipe_file(beside, data)
            # Not every file system moves a file to where there is one.
            if self._files.exists(path):
                self._files.rm_file(path)
            self._files.mv(beside, path)
        except BaseException:
            with suppress(Exception):
                self._files.rm_file(beside)
            raise

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _url(self, name: str) -> str:
        return f"{self.url.rstrip('/')}/{name}"
