"""What results are called: names that every file system takes, and tells apart."""

import re
import unicodedata
from urllib.parse import unquote

from triologue.audio import is_url, stem_of

_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
# Below what file systems take by room for what is put behind it.
_MAX_BYTES = 200
# What follows an id in the name of the file that says why it failed.
_TAKEN = ".error"


def is_safe(name: str) -> bool:
    """Say whether files can be called so everywhere, none is hidden, and none means something else."""
    return (
        name.isprintable()
        and not _FORBIDDEN.search(name)
        and not name.startswith((".", " "))
        and not name.endswith((".", " ", _TAKEN))
        and 0 < len(name.encode()) <= _MAX_BYTES
    )


def identity(name: str) -> str:
    """Return what is the same for names that some file systems take for one."""
    return unicodedata.normalize("NFC", name).casefold()


def name_for(audio: str) -> str:
    """Return a safe name for what is made of a recording, made of that of its file."""
    stem = stem_of(audio)
    stem = unquote(stem) if is_url(audio) else stem
    kept = "".join(letter if letter.isprintable() else "_" for letter in _FORBIDDEN.sub("_", stem))
    kept = kept.encode()[:_MAX_BYTES].decode(errors="ignore").strip(". ").removesuffix(_TAKEN)
    return kept if is_safe(kept) else "recording"
