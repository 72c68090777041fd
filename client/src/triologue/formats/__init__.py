"""Ways to write a result down. `FORMATS` maps the name of each to its function."""

from collections.abc import Callable

from triologue.formats.as_json import to_json
from triologue.formats.rttm import to_rttm
from triologue.formats.srt import to_srt
from triologue.formats.text import summarize, to_text
from triologue.schema import DiarizationResult, TranscriptionResult

__all__ = ["FORMATS", "summarize", "to_json", "to_rttm", "to_srt", "to_text"]

FORMATS: dict[str, Callable[[TranscriptionResult | DiarizationResult, str], str]] = {
    "text": lambda result, _: to_text(result),
    "srt": lambda result, _: to_srt(result),
    "rttm": to_rttm,
    "json": lambda result, _: to_json(result),
}
"""Each function takes a result of any model and the name of its recording, which RTTM alone writes.

It returns text that ends with a line break, or nothing.
"""
