"""`triologue transcribe`."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from triologue.audio import Audio
from triologue.cli.choosing import check_formats, choose
from triologue.cli.connection import Connection
from triologue.cli.crew import OnEvent
from triologue.cli.flags import with_flags
from triologue.cli.groups import with_groups
from triologue.cli.parameters import Files, Working, Writing
from triologue.cli.process import Wish, process
from triologue.cli.targets import DEFAULT_FORMAT
from triologue.cli.voices import with_voices
from triologue.client import Client
from triologue.formats import FORMATS
from triologue.layout.paragraphs import paragraphs as in_paragraphs
from triologue.schema import (
    AttributionParams,
    DiarizedAsrOptions,
    PyannoteSpeakerDiarizationParams,
    TranscriptionResult,
    WhisperParams,
)

EXAMPLES = """
\b
Examples:
  triologue transcribe meeting.m4a --diarize
  triologue transcribe talk.mp4 -o talk.srt
  triologue transcribe calls/ --diarize --jobs 4 -f json -f html -o transcripts/ --resume
  ffmpeg -i talk.mkv -f wav - | triologue transcribe - --language en
"""
_OF_SPEAKERS = {*PyannoteSpeakerDiarizationParams.model_fields, *AttributionParams.model_fields}


@with_flags(DiarizedAsrOptions)
@with_groups
def transcribe(
    files: Files,
    diarize: Annotated[bool, typer.Option("--diarize/--no-diarize", help="Also tell who speaks.")] = False,
    *,
    writing: Writing,
    paragraphs: Annotated[
        bool,
        typer.Option("--paragraphs", rich_help_panel="Output", help="Write paragraphs instead of segments."),
    ] = False,
    max_line_chars: Annotated[
        int | None,
        typer.Option(min=1, rich_help_panel="Output", help="Longest line of subtitles, 42 by default."),
    ] = None,
    max_lines: Annotated[
        int | None, typer.Option(min=1, rich_help_panel="Output", help="Lines of a subtitle, 2 by default.")
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            rich_help_panel="Work",
            help="Write each segment to standard output as soon as it is transcribed. Who speaks is known "
            "at the end: with --diarize the result follows the segments, here or in --output.",
        ),
    ] = False,
    working: Working,
    connection: Connection,
    fields: dict[str, Any],
) -> None:
    """Write down what is said in recordings and, with --diarize, by whom."""
    _need_diarization(diarize, fields)
    choice = choose(files, writing)
    has_words = diarize or bool(fields.get("word_timestamps"))
    check_formats(choice.formats, has_text=True, has_speakers=diarize, has_words=has_words)
    limits = {"max_chars_per_line": max_line_chars, "max_lines": max_lines}
    cues = {name: limit for name, limit in limits.items() if limit is not None}
    _check_layout(choice.formats, paragraphs, bool(cues))
    if watch and choice.output is None and choice.formats[0] != DEFAULT_FORMAT:
        raise typer.BadParameter(f"needs --output, or --format {DEFAULT_FORMAT}", param_hint="--watch")
    if watch and working.jobs > 1:
        raise typer.BadParameter("needs --jobs 1, or segments of several would mix", param_hint="--watch")

    def ask(client: Client, audio: Audio, options: Any, on_event: OnEvent | None) -> TranscriptionResult:
        call = client.transcribe_diarized if diarize else client.transcribe
        result: TranscriptionResult = call(audio, options, on_event=on_event)
        if not paragraphs:
            return result
        return result.model_copy(update={"segments": in_paragraphs(result.segments)})

    wish = Wish(
        options=DiarizedAsrOptions if diarize else WhisperParams,
        fields=with_voices(fields),
        ask=ask,
        stages=3 if diarize else 1,
        cues=cues,
        is_watched=watch,
        is_told_by_segments=not (diarize or paragraphs),
    )
    process(wish, choice, working, connection)


def _need_diarization(diarize: bool, fields: dict[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name in fields if name in _OF_SPEAKERS]
    if given and not diarize:
        raise typer.BadParameter("needs --diarize", param_hint=" / ".join(given))


def _check_layout(formats: Sequence[str], paragraphs: bool, has_cues: bool) -> None:
    made_of_cues = [name for name in formats if FORMATS[name].is_made_of_cues]
    if paragraphs and made_of_cues:
        raise typer.BadParameter(f"is not for --format {made_of_cues[0]}", param_hint="--paragraphs")
    if has_cues and not made_of_cues:
        names = " or ".join(name for name, form in FORMATS.items() if form.is_made_of_cues)
        raise typer.BadParameter(f"needs --format {names}", param_hint="--max-line-chars / --max-lines")
