"""What the folder of a model must hold, looked at before a server starts.

A folder of the user's own has no checksums, and a repository on Hugging Face may hold another kind of model:
what is missing or cannot be read is told by the name of its file.
"""

import json
from pathlib import Path
from typing import Any

from triologue_server.store.errors import UnusableFolder
from triologue_server.store.pinned import DIARIZATION_EMBEDDED

_CTRANSLATE2 = (
    "the folder must hold a CTranslate2 model and its tokenizer, like Systran/faster-whisper-base on Hugging "
    "Face; `ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json` converts others"
)
_PIPELINE = (
    "copy the whole pipeline with the folders of its models, like pyannote/speaker-diarization-community-1"
)
_EMBEDDED = [file.name for file in DIARIZATION_EMBEDDED.files]
_AGAIN = "copy the folder again from where it came"


def check_contents(kind: str, folder: Path) -> None:
    """Look into the folder of a model.

    Args:
        kind: `whisper` or `diarization`.
        folder: One that is there.

    Raises:
        UnusableFolder: A file is missing, or is not what its name says.
    """
    if kind == "whisper":
        _check_whisper(folder)
    elif (folder / "campplus.pt").is_file() or not (folder / "config.yaml").is_file():
        _check_embedded(folder)
    else:
        _check_pipeline(folder)


def _check_whisper(folder: Path) -> None:
    for name in ("model.bin", "tokenizer.json"):
        if not (folder / name).is_file():
            raise UnusableFolder(folder / name, "is missing", _CTRANSLATE2)
    if not any((folder / name).is_file() for name in ("vocabulary.json", "vocabulary.txt")):
        raise UnusableFolder(folder / "vocabulary.json", "is missing, and so is vocabulary.txt", _CTRANSLATE2)
    # CTranslate2 and faster-whisper do without the others.
    for name in ("tokenizer.json", "config.json", "preprocessor_config.json", "vocabulary.json"):
        if (folder / name).is_file():
            _check_json(folder / name)


def _check_json(path: Path) -> None:
    try:
        json.loads(path.read_bytes())
    except ValueError as error:
        raise UnusableFolder(path, f"is not JSON ({error})", _AGAIN) from error


def _check_embedded(folder: Path) -> None:
    missing = [name for name in _EMBEDDED if not (folder / name).is_file()]
    if len(missing) == len(_EMBEDDED):
        raise UnusableFolder(folder / "config.yaml", "is missing", _PIPELINE)
    for name in missing:
        raise UnusableFolder(folder / name, "is missing", _AGAIN)


def _check_pipeline(folder: Path) -> None:
    path = folder / "config.yaml"
    parameters = _parameters(path)
    for part in ("segmentation", "embedding"):
        named = parameters.get(part, part)
        # Where it is no text the pipeline knows more about it than is known here.
        if isinstance(named, str) and not (folder / part).is_dir() and not Path(named).exists():
            raise UnusableFolder(folder / part, f"is missing, where {path.name} names {named}", _PIPELINE)


def _parameters(path: Path) -> dict[str, Any]:
    import yaml  # few come here

    try:
        parameters = yaml.safe_load(path.read_text(encoding="utf-8"))["pipeline"]["params"]
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UnusableFolder(path, f"is not YAML ({reason})", _AGAIN) from error
    except (LookupError, TypeError):
        parameters = None
    if not isinstance(parameters, dict):
        raise UnusableFolder(path, "has no `pipeline` with `params`", _PIPELINE)
    return parameters
