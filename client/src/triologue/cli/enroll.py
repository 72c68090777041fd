"""`triologue enroll`."""

from pathlib import Path
from typing import Annotated

import typer

from triologue.cli.connection import Connection, reported
from triologue.cli.groups import with_groups
from triologue.cli.reports import waiting, write_stderr
from triologue.cli.statuses import Status
from triologue.cli.stdout import write_stdout
from triologue.cli.targets import needs_folder
from triologue.cli.voices import voices_in
from triologue.schema import KnownSpeaker
from triologue.voices import to_text, with_voice, write_voices
from triologue.writing import UNWRITABLE


@with_groups
def enroll(
    clip: Annotated[
        Path,
        typer.Argument(
            metavar="CLIP", exists=True, dir_okay=False, help="A recording in which nobody else speaks."
        ),
    ],
    name: Annotated[str, typer.Option(help="What to call the person.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            help="A file of known speakers that gets the voice; else stdout.",
        ),
    ] = None,
    *,
    connection: Connection,
) -> None:
    """Learn the voice of a person, for --known-speakers of the other commands."""
    voices: tuple[KnownSpeaker, ...] = ()
    if output is not None:
        needs_folder(output)
        voices = voices_in(output, "--output") if output.exists() else ()
    with connection.client() as client, reported():
        with waiting(clip.name):
            voice = client.enroll(clip, name)
        voices = with_voice(voices, voice)
    if output is None:
        write_stdout(to_text([voice]))
        return
    try:
        write_voices(output, voices)
    except OSError as error:
        write_stderr(f"error: {UNWRITABLE}: {output} cannot be written: {error.strerror}")
        raise typer.Exit(Status.FAILED) from None
    write_stderr(f"{name} is one of {len(voices)} in {output}")
