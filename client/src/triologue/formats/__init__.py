"""Ways to write a result down. `FORMATS` maps the name of each to its function."""

from collections.abc import Callable

from triologue.formats.as_json import to_json
from triologue.formats.rttm import to_rttm
from triologue.formats.srt import SRT_STYLE, to_srt
from triologue.formats.text import summarize, to_text
from triologue.layout.cues import CueStyle
from triologue.schema import DiarizationResult, TranscriptionResult

__all__ = ["FORMATS", "SRT_STYLE", "summarize", "to_json", "to_rttm", "to_srt", "to_text"]

FORMATS: dict[str, Callable[[TranscriptionResult | DiarizationResult, str, CueStyle], str]] = {
    "text": lambda result, _, __: to_text(result),
    "srt": lambda result, _, style: to_srt(result, style),
    "rttm": lambda result, recording, _: to_rttm(result, recording),
    "json": lambda result, _, __: to_json(result),
}
"""Each function takes a result of any model, the name of its recording and a style of cues.

RTTM alone writes the name, SRT alone follows the style. The text ends with a line break, or there is none.
"""
