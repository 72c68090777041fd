"""Write the table of settings.md, below its marker, out of the settings and the profiles: `make docs`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import TomlConfigSettingsSource

from triologue.schema.wording import bounds_text, meaning, type_name
from triologue_server.settings import Settings, profile_path

PAGE = Path(__file__).with_suffix(".md")
MARKER = "<!-- `make docs` writes what follows. -->\n"
PROFILES = ("embedded", "gpu")
HEAD = ("setting", *PROFILES, "type", "bounds", "meaning")


def renew(page: str) -> str:
    """Return the page with what is below its marker written anew."""
    profiles = [TomlConfigSettingsSource(Settings, profile_path(name)).toml_data for name in PROFILES]
    rows = [HEAD, ("---",) * len(HEAD), *fields(Settings, "", profiles)]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    return f"{page.partition(MARKER)[0]}{MARKER}\n{table}"


def fields(model: type[BaseModel], prefix: str, profiles: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each setting of a section, those of its own sections included."""
    for name, field in model.model_fields.items():
        if name == "profile":
            continue
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields(kind, f"{prefix}{name}.", [profile.get(name, {}) for profile in profiles])
        else:
            values = [profile.get(name) for profile in profiles]
            cells = (
                f"`{prefix}{name}`",
                *(default(field, value) for value in values),
                f"`{type_name(field)}`",
                bounds_text(field),
                meaning(field),
            )
            yield tuple(cell.replace("|", "\\|") for cell in cells)


def default(field: FieldInfo, value: Any) -> str:
    """Return what a setting is in a profile, or by itself."""
    if value is None:
        value = None if field.default_factory else field.default
    if value is None:
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
