"""Write reference.md, below its marker, out of the docstrings of the public names: `make docs`."""

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import dedent

from griffe import (
    Alias,
    Attribute,
    Class,
    DocstringSectionKind,
    Expr,
    ExprName,
    ExprSubscript,
    ExprTuple,
    Function,
    GriffeLoader,
    Module,
    Object,
)

import triologue

PAGE = Path(__file__).with_suffix(".md")
MARKER = "<!-- `make docs` writes what follows. -->\n"

SECTIONS: dict[str, Sequence[str]] = {
    "Clients": ("Client", "AsyncClient", "Audio", "Pipeline", "Outcome", "ServerInfo", "Tls"),
    "Results": (
        "TranscriptionResult",
        "DiarizationResult",
        "DiarizedTranscriptionResult",
        "Result",
        "DiarizedResult",
        "AsrSegment",
        "AsrWord",
        "TimeInterval",
        "SpeakerDiarizationSegment",
        "AsrTranscriptionInfo",
        "AsrTranscription",
        "AudioInfo",
        "ProcessingInfo",
        "Stage",
    ),
    "Events": ("InfoEvent", "ProgressEvent", "SegmentEvent", "ResultEvent", "Event", "parse_event"),
    "Options": (
        "WhisperParams",
        "BatchedWhisperParams",
        "VadParameters",
        "PyannoteSpeakerDiarizationParams",
        "KnownSpeaker",
        "AttributionParams",
        "DiarizedAsrOptions",
        "CallParams",
        "StreamParams",
        "WhisperModelSize",
        "WhisperComputeType",
        "parse_parameters",
        "to_parameters",
    ),
    "Errors": (
        "TriologueError",
        "InvalidAudio",
        "InvalidOption",
        "PayloadTooLarge",
        "NotFound",
        "AccessDenied",
        "ServerOverloaded",
        "ServerUnavailable",
        "DeadlineExceeded",
        "Cancelled",
        "InternalError",
        "ErrorCode",
        "server_error",
    ),
    "Layout and merge": ("paragraphs", "cues", "Cue", "CueStyle", "PostProcessingForDiarizedAsr"),
}
# Written in options.md, field by field.
TABLES = {
    "WhisperParams",
    "VadParameters",
    "PyannoteSpeakerDiarizationParams",
    "KnownSpeaker",
    "AttributionParams",
}
# The same methods as those of another class, awaited.
TWINS = {"AsyncClient": "Client"}


def load() -> Module:
    """Read the package without running it."""
    sources = Path(inspect.getfile(triologue)).parents[1]
    loader = GriffeLoader(docstring_parser="google", search_paths=[sources])
    package = loader.load("triologue")
    assert isinstance(package, Module)  # noqa: S101
    loader.resolve_aliases(implicit=False, external=False)
    return package


def renew(page: str) -> str:
    """Return the page with what is below its marker written anew."""
    package = load()
    contents = "".join(
        f"- **{section}**: {', '.join(f'[`{name}`](#{name.lower()})' for name in names)}\n"
        for section, names in SECTIONS.items()
    )
    sections = "".join(
        f"\n## {section}\n" + "".join(entry(_target(package[name])) for name in names)
        for section, names in SECTIONS.items()
    )
    return f"{page.partition(MARKER)[0]}{MARKER}\n{contents}{sections}"


def entry(found: Object) -> str:
    """Return the text of a name."""
    head = f"\n### {found.name}\n\n"
    if isinstance(found, Function):
        return head + _function(found)
    if isinstance(found, Attribute):
        text = _text(found)
        return head + _fence(f"{found.name} = {found.value}") + (f"\n{text}\n" if text else "")
    assert isinstance(found, Class)  # noqa: S101
    return head + "".join(_class(found))


def _class(found: Class) -> Iterator[str]:
    init = found.members.get("__init__")
    # What a dataclass takes is its fields, which are listed below.
    if isinstance(init, Function) and "dataclass" not in found.labels:
        yield _fence(f"class {found.name}{_arguments(init)}") + "\n"
    bases = [str(base) for base in found.bases if str(base) in triologue.__all__]
    if bases:
        yield f"Is a {' and a '.join(f'[`{base}`](#{base.lower()})' for base in bases)}.\n\n"
    if twin := TWINS.get(found.name):
        yield (
            f"Has the methods of [`{twin}`](#{twin.lower()}), which take and raise the same. "
            "Those that are `async def` are awaited, the others are gone through with `async for`.\n"
        )
    else:
        yield _function_text(found)
    if "Enum" in map(str, found.bases):
        values = [f"{name} = {member.value}" for name, member in found.attributes.items()]
        yield "\n" + _fence("\n".join(values))
    if found.name in TABLES:
        yield f"\nIts fields are in [options.md](options.md#{found.name.lower()}).\n"
    elif fields := [_field(field) for field in found.members.values() if _is_field(field)]:
        yield "\n" + "".join(fields)
    for member in found.members.values():
        if isinstance(member, Function) and not member.name.startswith("_"):
            yield f"\n#### {found.name}.{member.name}\n\n"
            yield _signature(member) if found.name in TWINS else _function(member)


def _is_field(member: Object | Alias) -> bool:
    return isinstance(member, Attribute) and not member.name.startswith("_") and bool(member.docstring)


def _field(field: Object | Alias) -> str:
    annotation = getattr(field, "annotation", None)
    kind = "" if annotation is None else f": `{_type(annotation)}`"
    return f"- `{field.name}`{kind} — {' '.join(_text(field).split())}\n"


def _type(annotation: str | Expr) -> str:
    """Return a type without what pydantic wants to know besides."""
    match annotation:
        case ExprSubscript(canonical_path="typing.Annotated", slice=ExprTuple(elements=[kind, *_])):
            return str(kind)
    return str(annotation)


def _function(function: Function) -> str:
    return f"{_signature(function)}\n{_function_text(function)}"


def _signature(function: Function) -> str:
    decorators = [f"@{label}\n" for label in ("classmethod", "staticmethod") if label in function.labels]
    kind = "async def" if "async" in function.labels else "def"
    returned = f" -> {function.returns}" if function.returns is not None else ""
    return _fence(f"{''.join(decorators)}{kind} {function.name}{_arguments(function)}{returned}")


def _fence(code: str) -> str:
    """Return code between fences, with the quotes of `make format`, which goes through pages too."""
    quoted = code.replace("'", '"')
    return f"```python\n{quoted}\n```\n"


def _arguments(function: Function) -> str:
    parameters = [parameter for parameter in function.parameters if parameter.name not in {"self", "cls"}]
    written = []
    for parameter in parameters:
        star = {"variadic keyword": "**", "variadic positional": "*"}.get(str(parameter.kind.value), "")
        if str(parameter.kind.value) == "keyword-only" and "*" not in written:
            written.append("*")
        default = "" if parameter.default is None or star else f" = {_default(parameter.default)}"
        written.append(f"{star}{parameter.name}: {parameter.annotation}{default}")
    inside = "".join(f"    {part},\n" for part in written)
    return f"(\n{inside})" if len(written) > 1 else f"({', '.join(written)})"


def _default(default: str | Expr) -> str:
    """Return a default, and that of a constant by its value: the constants are not public."""
    if not isinstance(default, ExprName) or not isinstance(default.parent, Object):
        return str(default)
    constant = default.parent.modules_collection.get_member(default.canonical_path)
    return str(constant.value)


def _function_text(found: Object) -> str:
    """Return a docstring, with its arguments and errors as lists."""
    if found.docstring is None:
        return ""
    blocks = []
    for section in found.docstring.parsed:
        if section.kind is DocstringSectionKind.text:
            blocks.append(_fenced(section.value))
        elif section.kind in (DocstringSectionKind.parameters, DocstringSectionKind.raises):
            is_raises = section.kind is DocstringSectionKind.raises
            lines = [
                f"- `{item.annotation if is_raises else item.name}` — {' '.join(item.description.split())}"
                for item in section.value
            ]
            blocks.append(("Raises:" if is_raises else "Takes:") + "\n\n" + "\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _fenced(text: str) -> str:
    """Return a text with its indented code between fences, which tell that it is Python."""
    return re.sub(
        r"(?:^ {4}.*\n?)+",
        lambda code: f"```python\n{dedent(code[0]).strip()}\n```\n",
        text,
        flags=re.MULTILINE,
    ).strip()


def _text(found: Object | Alias) -> str:
    return "" if found.docstring is None else str(found.docstring.value)


def _target(found: Object | Alias) -> Object:
    return found.final_target if isinstance(found, Alias) else found


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
