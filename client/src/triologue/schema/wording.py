"""Options and settings in words: for the command line's help, and for tables of the documents."""

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


def meaning(field: FieldInfo) -> str:
    """Return a field's docstring, in one line."""
    return " ".join((field.description or "").split())


_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "max_length": "length ≤"}


def bounds_text(field: FieldInfo) -> str:
    """Return a field's bounds, such as "≥ 1, ≤ 20"."""
    return ", ".join(
        f"{sign} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, sign in _SIGNS.items()
        if hasattr(bound, name)
    )


def _name(kind: Any) -> str:
    inside = get_args(kind)
    if get_origin(kind) is Literal:
        return "|".join(inside)
    if inside:
        return f"[{getattr(inside[0], '__origin__', inside[0]).__name__}, ...]"
    return "null" if kind is NoneType else str(kind.__name__)
