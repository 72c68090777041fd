"""Ways to write a result down. `FORMATS` maps the name of each to what the command line has to know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from triologue.audio import Audio
from triologue.formats.as_json import to_json
from triologue.formats.markdown import to_markdown
from triologue.formats.nist import to_ctm, to_rttm, to_stm
from triologue.formats.srt import SRT_STYLE, to_srt
from triologue.formats.text import summarize, to_txt
from triologue.formats.tsv import to_tsv
from triologue.formats.vtt import VTT_STYLE, to_vtt
from triologue.layout.cues import CueStyle
from triologue.schema.results import Result

__all__ = ["FORMATS", "Format", "Setting", "summarize"]


@dataclass(frozen=True)
class Setting:
    """What a format may need besides the result."""

    recording: str
    """What to call the recording."""
    audio: Audio | None = None
    """The recording, for the page that plays it."""
    cues: Mapping[str, int] = field(default_factory=dict)
    """Fields of `CueStyle` that are not as usual."""


@dataclass(frozen=True)
class Format:
    """A way to write a result down."""

    suffix: str
    """How the names of files end."""
    write: Callable[[Any, Setting], str]
    """Return the text; it ends with a line break, or there is none."""
    is_for_diarizations: bool = True
    """Whether turns alone can be written."""
    needs_speakers: bool = False
    """Whether it has nothing to say without speakers."""
    needs_words: bool = False
    """Whether words must have been asked for."""
    is_made_of_cues: bool = False
    """Whether it follows a style of cues."""
    is_for_people: bool = False
    """Whether several results can follow one another, each under the name of its recording."""


def _style(usual: CueStyle, setting: Setting) -> CueStyle:
    return CueStyle.model_validate({**usual.model_dump(), **setting.cues})


def _to_html(result: Result, setting: Setting) -> str:
    # Its template is read where there is a page to write.
    from triologue.formats.html import to_html

    return to_html(result, title=setting.recording, audio=setting.audio)


FORMATS: dict[str, Format] = {
    "txt": Format(".txt", lambda result, _: to_txt(result), is_for_people=True),
    "srt": Format(".srt", lambda result, it: to_srt(result, _style(SRT_STYLE, it)), is_made_of_cues=True),
    "vtt": Format(".vtt", lambda result, it: to_vtt(result, _style(VTT_STYLE, it)), is_made_of_cues=True),
    "tsv": Format(".tsv", lambda result, _: to_tsv(result)),
    "json": Format(".json", lambda result, _: to_json(result)),
    "rttm": Format(".rttm", lambda result, it: to_rttm(result, it.recording), needs_speakers=True),
    "ctm": Format(
        ".ctm", lambda result, it: to_ctm(result, it.recording), is_for_diarizations=False, needs_words=True
    ),
    "stm": Format(".stm", lambda result, it: to_stm(result, it.recording), is_for_diarizations=False),
    "md": Format(".md", lambda result, it: to_markdown(result, it.recording), is_for_people=True),
    "html": Format(".html", _to_html),
}
