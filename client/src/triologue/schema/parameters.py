"""Options to and from Triton request parameters: one parameter a field, lists and models as JSON text."""

import json
from collections.abc import Mapping
from typing import TypeVar, get_args

from pydantic import ValidationError

from triologue.schema.base import WireModel
from triologue.schema.errors import InvalidOption

Scalar = bool | int | float | str
Options = TypeVar("Options", bound=WireModel)


def to_parameters(options: WireModel) -> dict[str, Scalar]:
    """Return the fields of `options` that were set, as scalar request parameters.

    A list or a model travels as its JSON text, and so does a `None` that turns something off: "null".
    """
    values = options.model_dump(mode="json", exclude_unset=True)
    return {
        name: json.dumps(value) if value is None or isinstance(value, list | dict) else value
        for name, value in values.items()
        if value is not None or type(options).model_fields[name].default is not None
    }


def parse_parameters(options: type[Options], parameters: Mapping[str, object]) -> Options:
    """Read an options model out of request parameters.

    Text is accepted for every field ("5", "true", "[0.0, 0.2]"), since HTTP headers carry nothing else.
    Python values, lists, models and `None` included, are too.

    Raises:
        InvalidOption: A parameter does not exist or its value is refused; the message names it.
    """
    for name in parameters:
        if name not in options.model_fields:
            known = ", ".join(sorted(options.model_fields))
            raise InvalidOption(f"{name}: no such option; the options are {known}")
    values = {name: _from_text(options, name, value) for name, value in parameters.items()}
    try:
        return options.model_validate(values)
    except ValidationError as error:
        raise InvalidOption(_explain(options, error)) from None


def _from_text(options: type[WireModel], name: str, value: object) -> object:
    """Decode the JSON text of a list, a model or "null"; every other text is left for pydantic to convert."""
    if not isinstance(value, str) or _takes_text(options, name):
        return value
    if value == "null" or value.lstrip().startswith(("[", "{")):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):  # the latter is of brackets in brackets, a thousand deep
            return value
    return value


def _takes_text(options: type[WireModel], name: str) -> bool:
    kind = options.model_fields[name].annotation
    return kind is str or str in get_args(kind)


def _explain(options: type[WireModel], error: ValidationError) -> str:
    """Say which field was refused and why, in one line; the first field when there are several."""
    first = error.errors(include_url=False)[0]
    why = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return why
    name, *inside = map(str, first["loc"])
    field = ".".join([name, *inside]) if _is_model(options, name) else name
    got = repr(first["input"])
    # What is longer tells nobody anything, and may be the vector or the recording of a voice.
    quote = f" (got {got})" if len(got) <= 100 else ""
    return f"{field}: {why[0].lower()}{why[1:]}{quote}"


def _is_model(options: type[WireModel], name: str) -> bool:
    return any(
        isinstance(kind, type) and issubclass(kind, WireModel)
        for kind in get_args(options.model_fields[name].annotation)
    )
