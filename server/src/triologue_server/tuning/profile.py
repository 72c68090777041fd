"""A profile as a file: TOML that `--profile` takes, with comments that say where it comes from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from triologue_server.settings import Settings

Comments = Mapping[str, Sequence[str]]
"""Lines by the table they belong to, such as `diarization.embedding`; "" is the file."""


def profile_text(settings: Settings, comments: Comments) -> str:
    """Write settings as a profile: all of them, but for those that are left to their defaults anyway."""
    values = settings.model_dump(mode="json")
    left_out = set(values) - settings.model_fields_set | {"profile"}
    kept = {name: value for name, value in values.items() if name not in left_out}
    return "\n".join(_table("", kept, comments)).strip() + "\n"


def changed(before: Settings, after: Settings) -> dict[str, Any]:
    """Return what differs between two settings, by its key such as `limits.windows_in_flight`."""
    old = dict(_flat("", before.model_dump(mode="json")))
    return {key: value for key, value in _flat("", after.model_dump(mode="json")) if old[key] != value}


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value


def _table(key: str, values: Mapping[str, Any], comments: Comments) -> Iterator[str]:
    """Yield the lines of a table: its own values come before the tables in it, as TOML wants them."""
    own = {name: value for name, value in values.items() if not isinstance(value, dict) and value is not None}
    lines = [f"# {line}" for line in comments.get(key, ())]
    if own or lines:
        yield ""
        if key:
            yield f"[{key}]"
        yield from lines
        # JSON's way to write text, numbers, truth and lists is TOML's too.
        yield from (f"{name} = {json.dumps(value)}" for name, value in own.items())
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _table(f"{key}.{name}".lstrip("."), value, comments)
