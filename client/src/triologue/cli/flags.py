"""Flags of the command line, made of the options models, so that an option is written once."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from triologue.cli.groups import Command, choice
from triologue.schema import AttributionParams, PyannoteSpeakerDiarizationParams
from triologue.schema.base import WireModel
from triologue.schema.languages import LANGUAGES
from triologue.schema.wording import default_text, kinds, summary, type_name

# Sections of the help; what is in none of them is about decoding.
SECTIONS: dict[str, set[str]] = {
    "Options": {"language", "mode", "task", "beam_size", "word_timestamps"},
    "Speakers": {*PyannoteSpeakerDiarizationParams.model_fields, *AttributionParams.model_fields},
    "Speech and windows": {
        "vad_filter",
        "vad_parameters",
        "clip_timestamps",
        "no_speech_threshold",
        "hallucination_silence_threshold",
        "condition_on_previous_text",
        "prompt_reset_on_temperature",
        "multilingual",
        "language_detection_segments",
        "language_detection_threshold",
    },
    "Words": {
        "initial_prompt",
        "prefix",
        "hotwords",
        "suppress_blank",
        "suppress_tokens",
        "prepend_punctuations",
        "append_punctuations",
    },
}
OTHER_SECTION = "Decoding"


def with_flags(options: type[WireModel]) -> Callable[[Command], Command]:
    """Put a flag for each field of `options` in the place of a command's parameter `fields`.

    The command gets the values that were given, by name, so that the server's defaults hold for the others.
    Lists, models and "null" are still text.
    """
    flags = [_flag(name, field) for name, field in options.model_fields.items()]

    def decorate(command: Command) -> Command:
        @wraps(command)
        def flagged(**arguments: Any) -> None:
            values = {flag.name: arguments.pop(flag.name) for flag in flags}
            fields = {name: value for name, value in values.items() if value is not None}
            command(**arguments, fields=fields)

        signature = inspect.signature(command)
        parameters = [
            parameter
            for own in signature.parameters.values()
            for parameter in (flags if own.name == "fields" else [own])
        ]
        # typer reads both.
        flagged.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        flagged.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return flagged

    return decorate


def _flag(name: str, field: FieldInfo) -> inspect.Parameter:
    option = typer.Option(
        None,
        help=_help(field),
        metavar=f"<{type_name(field)}>",
        rich_help_panel=_section(name),
        autocompletion=choice(_values(name, field)),
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=_kind(field) | None
    )


def _section(name: str) -> str:
    return next((section for section, names in SECTIONS.items() if name in names), OTHER_SECTION)


def _help(field: FieldInfo) -> str:
    default = "" if field.default is None else f"  [default: {default_text(field)}]"
    return summary(field) + default


def _values(name: str, field: FieldInfo) -> list[str]:
    """Return the values that a shell may complete."""
    if name == "language":
        return sorted(LANGUAGES)
    return [value for kind in kinds(field) if get_origin(kind) is Literal for value in get_args(kind)]


def _kind(field: FieldInfo) -> type:
    """Return what typer converts a value to; text is left for the options model to read."""
    first, *others = kinds(field)
    return first if first in (bool, int, float) and not others else str
