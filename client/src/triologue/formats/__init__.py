"""Ways to write a result down. `FORMATS` maps the name of each to its function."""

from collections.abc import Callable

from triologue.formats.as_json import to_json
from triologue.formats.srt import to_srt
from triologue.formats.text import summarize, to_text
from triologue.schema import DiarizationResult, TranscriptionResult

__all__ = ["FORMATS", "summarize", "to_json", "to_srt", "to_text"]

FORMATS: dict[str, Callable[[TranscriptionResult | DiarizationResult], str]] = {
    "text": to_text,
    "srt": to_srt,
    "json": to_json,
}
"""Each function takes a result of any model and returns text that ends with a line break, or nothing."""
