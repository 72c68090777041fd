"""Which recordings, in which formats, to which place: what was given, made to agree."""

import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from triologue.cli.parameters import Writing
from triologue.cli.sources import Source, sources_of
from triologue.cli.targets import Target, formats_of, targets_of
from triologue.formats import FORMATS

PAGE = "html"
STDOUT = "-"


@dataclass(frozen=True)
class Choice:
    """What is worked on, and where it goes."""

    sources: Sequence[Source]
    """The recordings."""
    formats: Sequence[str]
    """How results are written, by name."""
    output: str | None
    """Where results go, as it was given; `None` for standard output."""
    resumes: bool
    """Recordings whose results are there are left out."""
    is_shown: bool
    """The page is opened in a browser."""
    has_audio: bool
    """Pages hold their recording."""

    def targets(self) -> list[tuple[Target, ...]]:
        """Say where the results of each recording go, as `targets_of` does."""
        output = self.output
        if self.is_shown and output is None:
            output = str(Path(tempfile.mkdtemp(prefix="triologue-"), f"{self.sources[0].place.name}.html"))
        return targets_of(self.sources, self.formats, output)


def choose(files: Sequence[str], writing: Writing) -> Choice:
    """Find the recordings, and settle the formats.

    Raises:
        typer.BadParameter: Something was given that does not agree.
    """
    sources = sources_of(files)
    output = None if writing.output == STDOUT else writing.output
    given = writing.formats or ([PAGE] if writing.open else [])
    formats = formats_of(given, sources, output)
    if writing.resume and output is None:
        raise typer.BadParameter("needs --output", param_hint="--resume")
    if writing.open and PAGE not in formats:
        raise typer.BadParameter(f"needs --format {PAGE}", param_hint="--open")
    if writing.open and len(sources) > 1:
        raise typer.BadParameter("is for one recording", param_hint="--open")
    return Choice(sources, formats, output, writing.resume, writing.open, writing.audio)


def check_formats(formats: Sequence[str], *, has_text: bool, has_speakers: bool, has_words: bool) -> None:
    """Refuse formats that what is asked for does not fill.

    Raises:
        typer.BadParameter: There is one; it says what is missing.
    """
    for name in formats:
        wanted, hint = FORMATS[name], f"--format {name}"
        if wanted.needs_speakers and not has_speakers:
            raise typer.BadParameter("needs --diarize", param_hint=hint)
        if not wanted.is_for_diarizations and not has_text:
            raise typer.BadParameter("needs text, which `triologue transcribe` writes", param_hint=hint)
        if wanted.needs_words and not has_words:
            raise typer.BadParameter("needs --word-timestamps or --diarize", param_hint=hint)


def show(page: Path) -> bool:
    """Open a page in the browser, and say whether there is one."""
    return webbrowser.open(page.absolute().as_uri())
