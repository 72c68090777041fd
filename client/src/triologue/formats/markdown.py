"""Markdown for notes and wikis."""

import re

from triologue.formats.lines import timestamp
from triologue.formats.text import summarize
from triologue.layout.paragraphs import paragraphs
from triologue.schema.results import DiarizedResult, Result, TranscriptionResult

TITLE = "Transcript"

# What has a meaning inside a paragraph. Each begins with a time, so nothing in it begins a list or the like.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$!])")


def to_markdown(result: Result, title: str | None = None) -> str:
    """Write a title, what is known of the recording, and paragraphs with speakers and times, or turns."""
    blocks = [f"# {_escaped(title or TITLE)}", _escaped(summarize(result))]
    if isinstance(result, TranscriptionResult):
        for said in paragraphs(result.segments):
            blocks.append(_block(said.time_interval.start, said.speaker, said.text))
    elif isinstance(result, DiarizedResult):
        for turn in result.turns:
            end = timestamp(turn.time_interval.end, ".")
            blocks.append(_block(turn.time_interval.start, turn.speaker, f"until {end}"))
    return "\n\n".join(blocks) + "\n"


def _block(start: float, speaker: str | None, text: str) -> str:
    name = _escaped(speaker or "")
    who = f"**{name}** " if name else ""
    return f"{who}`{timestamp(start, '.')}` {_escaped(text)}"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
