"""Parameters of the commands that work on recordings."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from triologue.cli.groups import choice
from triologue.formats import FORMATS


def format_option(help: str) -> Any:
    """Return the option that formats are given by."""
    return typer.Option(
        "--format",
        "-f",
        metavar="|".join(FORMATS),
        callback=_known_formats,
        autocompletion=choice(list(FORMATS)),
        rich_help_panel="Output",
        help=help,
    )


def _known_formats(names: list[str] | None) -> list[str]:
    """Return names of formats, each of which there is.

    Raises:
        typer.BadParameter: There is no such format.
    """
    for name in names or []:
        if name not in FORMATS:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(FORMATS)}")
    return names or []


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE|FOLDER|URL|-",
        help="Recordings, audio or video: files; folders, of which every media file is taken that is not "
        "hidden, in folders below too; http(s) URLs, which are fetched from here; - for standard input.",
    ),
]


@dataclass(frozen=True)
class Writing:
    """Where results go, and how they are written."""

    formats: Annotated[
        list[str] | None,
        format_option(
            "How results are written; give several with a folder as --output. By default as the ending of "
            "--output says, or else txt."
        ),
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|FOLDER",
            rich_help_panel="Output",
            help="A file, or a folder that gets one file for each recording and format, with the folders "
            "that recordings were found in; else standard output.",
        ),
    ] = None
    audio: Annotated[
        bool,
        typer.Option(
            "--audio/--no-audio",
            rich_help_panel="Output",
            help="Put the recording into the page of --format html, which then plays it; else the page asks "
            "for the file.",
        ),
    ] = True
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", rich_help_panel="Output", help="Leave out recordings whose results are there already."
        ),
    ] = False
    open: Annotated[
        bool,
        typer.Option(
            "--open",
            rich_help_panel="Output",
            help="Open the page of --format html in the browser; without --output it is a temporary file.",
        ),
    ] = False


@dataclass(frozen=True)
class Working:
    """How the work is done, and what is told about it."""

    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", min=1, rich_help_panel="Work", help="Recordings worked on at once."),
    ] = 1
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", rich_help_panel="Work", help="Tell no progress; warnings and errors alone."
        ),
    ] = False
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            rich_help_panel="Work",
            help="Tell what happens as JSON, an object a line, on stderr.",
        ),
    ] = False
