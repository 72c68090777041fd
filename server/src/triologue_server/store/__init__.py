"""The model store: what can be fetched, from where, and whether it is there.

>>> store = ModelStore()
>>> folder = store.require(resolve_whisper("base"))
"""

from triologue_server.store.artifact import Artifact, HubSource, Model, StoredFile, WheelMember, WheelSource
from triologue_server.store.catalog import resolve, resolve_diarization, resolve_whisper
from triologue_server.store.contents import check_contents
from triologue_server.store.download import Downloader
from triologue_server.store.errors import (
    ChecksumMismatch,
    ModelMissing,
    NoSpace,
    NotWritable,
    SourceRefused,
    SourceUnreachable,
    StoreError,
    UnknownModel,
    UnusableFolder,
)
from triologue_server.store.files import Progress
from triologue_server.store.store import FileStatus, ModelStore, State, default_root

__all__ = [
    "Artifact",
    "ChecksumMismatch",
    "Downloader",
    "FileStatus",
    "HubSource",
    "Model",
    "ModelMissing",
    "ModelStore",
    "NoSpace",
    "NotWritable",
    "Progress",
    "SourceRefused",
    "SourceUnreachable",
    "State",
    "StoreError",
    "StoredFile",
    "UnknownModel",
    "UnusableFolder",
    "WheelMember",
    "WheelSource",
    "check_contents",
    "default_root",
    "resolve",
    "resolve_diarization",
    "resolve_whisper",
]
