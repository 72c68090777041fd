"""Which artifact a model's name stands for.

A name is a model of the catalogue, a size that faster-whisper knows, a Hugging Face id, or a folder.
"""

import re
from pathlib import Path

from triologue_server.store.artifact import Artifact, HubSource, Model, StoredFile, WheelMember, WheelSource
from triologue_server.store.errors import UnknownModel
from triologue_server.store.pinned import PINNED

__all__ = [
    "PINNED",
    "Artifact",
    "HubSource",
    "Model",
    "StoredFile",
    "WheelMember",
    "WheelSource",
    "resolve",
    "resolve_diarization",
    "resolve_whisper",
]


def resolve(name: str) -> Model:
    """Return the model called `name`, which reads ``whisper/MODEL`` or ``diarization/PIPELINE``.

    Raises:
        UnknownModel: It reads otherwise, or no such model exists.
    """
    kind, _, model = name.partition("/")
    if kind == "whisper" and model:
        return resolve_whisper(model)
    if kind == "diarization" and model:
        return resolve_diarization(model)
    raise UnknownModel(f"{name!r} does not read whisper/MODEL or diarization/PIPELINE")


def resolve_whisper(model: str) -> Model:
    """Return the Whisper model `model`: a size, a Hugging Face id (``owner/name[@revision]``) or a folder.

    Raises:
        UnknownModel: It is none of these.
    """
    if found := _known(f"whisper/{model}", model):
        return found
    if hub := _hub_source(model):
        return _hub_artifact("whisper", hub)
    sizes = _whisper_repositories()
    if repo_id := sizes.get(model):
        return _hub_artifact("whisper", HubSource(repo_id))
    raise UnknownModel(
        f"Whisper model {model!r} is no existing folder, no Hugging Face id (owner/name) "
        f"and none of {', '.join(sizes)}"
    )


def resolve_diarization(pipeline: str) -> Model:
    """Return the diarization pipeline `pipeline`: ``embedded``, a Hugging Face id or a folder.

    Raises:
        UnknownModel: It is none of these.
    """
    if found := _known(f"diarization/{pipeline}", pipeline):
        return found
    if hub := _hub_source(pipeline):
        return _hub_artifact("diarization", hub, *_PIPELINE_PARTS.get(hub.repo_id, ()))
    raise UnknownModel(
        f"diarization pipeline {pipeline!r} is no existing folder, no Hugging Face id (owner/name) "
        "and not 'embedded'"
    )


# A revision never holds a slash here, and no part starts with a dot: the id is also a path inside the store.
_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([A-Za-z0-9][\w.-]*))?", re.ASCII)


def _known(name: str, folder: str) -> Model | None:
    # The catalogue first: a folder that happens to be called "base" must not take its place.
    if artifact := PINNED.get(name):
        return artifact
    path = Path(folder).expanduser()
    return path.resolve() if path.is_dir() else None


def _hub_source(text: str) -> HubSource | None:
    if match := _HUB_ID.fullmatch(text):
        return HubSource(match[1], match[2] or "main")
    return None


def _hub_artifact(kind: str, main: HubSource, *parts: HubSource) -> Artifact:
    revision = "" if main.revision == "main" else f"@{main.revision}"
    return Artifact(f"{kind}/{main.repo_id}{revision}", snapshots=(main, *parts))


def _whisper_repositories() -> dict[str, str]:
    # Loads CTranslate2, which takes a while; most callers never come here.
    from faster_whisper.utils import _MODELS

    return dict(_MODELS)


# This pipeline names its two models by their Hugging Face ids; stored in the subfolders that newer pipelines
# keep theirs in, they load without a network too.
_PIPELINE_PARTS = {
    "pyannote/speaker-diarization-3.1": (
        HubSource("pyannote/segmentation-3.0", folder="segmentation"),
        HubSource("pyannote/wespeaker-voxceleb-resnet34-LM", folder="embedding"),
    )
}
