"""Write the tables of options.md, below its marker, out of the options models: `make docs`."""

from pathlib import Path

from pydantic.fields import FieldInfo

from triologue.schema import (
    AttributionParams,
    CallParams,
    KnownSpeaker,
    PyannoteSpeakerDiarizationParams,
    StreamParams,
    VadParameters,
    WhisperParams,
)
from triologue.schema.base import WireModel
from triologue.schema.wording import bounds_text, default_text, meaning, type_name

PAGE = Path(__file__).with_suffix(".md")
MARKER = "<!-- `make docs` writes what follows. -->\n"
MODELS = (
    WhisperParams,
    VadParameters,
    PyannoteSpeakerDiarizationParams,
    KnownSpeaker,
    AttributionParams,
    CallParams,
    StreamParams,
)
HEAD = ("option", "type", "default", "bounds", "meaning")


def renew(page: str) -> str:
    """Return the page with what is below its marker written anew."""
    return page.partition(MARKER)[0] + MARKER + "".join(map(section, MODELS))


def section(model: type[WireModel]) -> str:
    """Return a model's heading, docstring and table."""
    rows = [HEAD, ("---",) * len(HEAD), *(row(*item) for item in model.model_fields.items())]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    return f"\n## {model.__name__}\n\n{model.__doc__}\n\n{table}"


def row(name: str, field: FieldInfo) -> tuple[str, ...]:
    """Return the cells of one option."""
    default = "" if field.is_required() else f"`{default_text(field)}`"
    cells = (f"`{name}`", f"`{type_name(field)}`", default, bounds_text(field), meaning(field))
    return tuple(cell.replace("|", "\\|") for cell in cells)


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
