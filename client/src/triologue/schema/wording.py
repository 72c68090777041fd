"""The options in words: for the command line's help and for docs/options.md."""

import json
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo


def kinds(field: FieldInfo) -> tuple[Any, ...]:
    """Return the types of the values worth giving: `None` is not, where it is the default."""
    union = get_origin(field.annotation) in (Union, UnionType)
    every = get_args(field.annotation) if union else (field.annotation,)
    return tuple(kind for kind in every if kind is not NoneType or field.default is not None)


def type_name(field: FieldInfo) -> str:
    """Return what is to be written for a field, such as `float|[float, ...]` or `float|null`."""
    return "|".join(map(_name, kinds(field)))


def default_text(field: FieldInfo) -> str:
    """Return the default as the text that would be given for it."""
    return field.default if isinstance(field.default, str) else json.dumps(field.default)


def summary(field: FieldInfo) -> str:
    """Return the first paragraph of a field's docstring, in one line."""
    return " ".join((field.description or "").split("\n\n")[0].split())


def _name(kind: Any) -> str:
    inside = get_args(kind)
    if get_origin(kind) is Literal:
        return "|".join(inside)
    if inside:
        return f"[{inside[0].__name__}, ...]"
    return "null" if kind is NoneType else str(kind.__name__)
