"""The result as it travels."""

from triologue.schema.results import Result


def to_json(result: Result) -> str:
    """Write the whole result as indented JSON; its own class reads it back with `model_validate_json`."""
    return result.model_dump_json(indent=2) + "\n"
