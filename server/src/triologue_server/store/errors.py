"""The errors of the model store.

    StoreError
    ├── UnknownModel        no model, Hugging Face id or folder of that name
    ├── ModelMissing        a model is not in the store, or is incomplete there
    ├── UnusableFolder      the folder of a model does not hold one
    ├── ChecksumMismatch    what arrived is not what the catalogue describes
    ├── SourceUnreachable   no answer from the place where the model comes from; worth trying again later
    ├── SourceRefused       an answer came, and it is no: not found, not allowed, access not granted
    ├── NoSpace             the disk has no room for a model, or a quota is used up
    └── NotWritable         the folder of the store cannot be written to

Each message is one line that a person can act upon.
"""

from pathlib import Path

from rich.filesize import decimal

_ANOTHER_FOLDER = "choose another folder with --models or TRIOLOGUE_MODELS"


class StoreError(Exception):
    """Base of every error of the model store."""


class UnknownModel(StoreError):
    """The name is no model of the catalogue, no Hugging Face id and no existing folder."""


class ModelMissing(StoreError):
    """The model has to be fetched before it can be used."""

    def __init__(self, name: str, root: str, files: tuple[str, ...]) -> None:
        super().__init__(
            f"{name} is not complete in {root} (missing or damaged: {', '.join(files)}): "
            f"run `triologue-server models fetch {name}`, or point TRIOLOGUE_MODELS to a filled folder"
        )
        self.name = name
        self.files = files


class UnusableFolder(StoreError):
    """A file in the folder of a model is missing, or is not what it should be."""

    def __init__(self, path: Path, wrong: str, advice: str) -> None:
        super().__init__(f"{path} {wrong}: {advice}")
        self.path = path


class ChecksumMismatch(StoreError):
    """The bytes that arrived differ from the ones expected; nothing of them is kept."""

    def __init__(self, name: str, expected: str, got: str) -> None:
        super().__init__(f"{name} is not the expected file: checksum {expected} expected, {got} received")
        self.name = name
        self.expected = expected
        self.got = got


class SourceUnreachable(StoreError):
    """The host a model comes from did not answer, however often it was asked."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"cannot reach {host} ({reason}): run `triologue-server models fetch` when online, "
            "or point TRIOLOGUE_MODELS to a filled folder"
        )
        self.host = host


class SourceRefused(StoreError):
    """The place a model comes from answered that it does not give it."""


class NoSpace(StoreError):
    """There is no room for a model; what had arrived of it is kept, and goes on from there."""

    def __init__(self, folder: Path, needed: int, free: int, reason: str = "") -> None:
        """Say how many bytes are needed and free, and the system's reason if it refused to write them."""
        why = f" ({reason})" if reason else ""
        super().__init__(
            f"no room in {folder}: {decimal(needed)} needed, {decimal(free)} free{why}: "
            f"free some space, or {_ANOTHER_FOLDER}"
        )
        self.folder = folder
        self.needed = needed
        self.free = free


class NotWritable(StoreError):
    """Nothing can be written to the folder of the store."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"cannot write to {folder} ({reason}): make it writable, or {_ANOTHER_FOLDER}")
        self.folder = folder
