"""The command line: `triologue transcribe`, `triologue diarize`, `triologue enroll`, `triologue health`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from triologue.client import DEFAULT_TIMEOUT_S, DEFAULT_URL, Client
from triologue.flags import SectionedCommand, with_flags
from triologue.formats import FORMATS, SRT_STYLE, summarize
from triologue.layout.cues import CueStyle
from triologue.layout.paragraphs import paragraphs as in_paragraphs
from triologue.outputs import needs_folder, targets_of
from triologue.schema import (
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedResult,
    InvalidOption,
    KnownSpeaker,
    PyannoteSpeakerDiarizationParams,
    ServerUnavailable,
    TranscriptionResult,
    TriologueError,
)
from triologue.voices import read_voices, to_text, with_voice, write_voices

app = typer.Typer(
    help="Who said what, and when: diarized transcripts from a Triologue server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(FORMATS)}")
    return name


Files = Annotated[
    list[Path], typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Audio or video files.")
]
Url = Annotated[
    str, typer.Option(envvar="TRIOLOGUE_URL", help="Server: http://, https://, grpc:// or grpcs://.")
]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")]
Format = Annotated[
    str,
    typer.Option(
        "--format", "-f", metavar="|".join(FORMATS), callback=_known_format, help="How the result is written."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="A file, or a folder that gets one file a recording; else stdout."),
]
Fields = dict[str, Any]
"""The options that were given: `with_flags` puts their flags in the place of this parameter."""


@app.command(cls=SectionedCommand)
@with_flags(DiarizedAsrOptions)
def transcribe(
    files: Files,
    diarize: Annotated[bool, typer.Option("--diarize", help="Also tell who speaks.")] = False,
    *,
    fields: Fields,
    format: Format = "text",
    paragraphs: Annotated[
        bool, typer.Option("--paragraphs", help="Write paragraphs in the place of segments.")
    ] = False,
    max_line_chars: Annotated[
        int | None, typer.Option(min=1, help="Longest line of subtitles, 42 by default.")
    ] = None,
    max_lines: Annotated[int | None, typer.Option(min=1, help="Lines of a subtitle, 2 by default.")] = None,
    output: Output = None,
    url: Url = DEFAULT_URL,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Write down what is said in recordings and, with --diarize, by whom."""
    speakers = [name for name in fields if name in PyannoteSpeakerDiarizationParams.model_fields]
    if speakers and not diarize:
        hint = " / ".join(f"--{name.replace('_', '-')}" for name in speakers)
        raise typer.BadParameter("needs --diarize", param_hint=hint)
    if format == "rttm" and not diarize:
        raise typer.BadParameter("needs --diarize", param_hint="--format rttm")
    if paragraphs and format == "srt":
        raise typer.BadParameter("is not for --format srt", param_hint="--paragraphs")
    limits = {"max_chars_per_line": max_line_chars, "max_lines": max_lines}
    limits = {name: limit for name, limit in limits.items() if limit is not None}
    if limits and format != "srt":
        raise typer.BadParameter("needs --format srt", param_hint="--max-line-chars / --max-lines")
    fields = _with_voices(fields)

    def call(client: Client, file: Path) -> TranscriptionResult:
        ask = client.transcribe_diarized if diarize else client.transcribe
        result = ask(file, **fields)
        if not paragraphs:
            return result
        return result.model_copy(update={"segments": in_paragraphs(result.segments)})

    _process(files, call, format, output, url, timeout, SRT_STYLE.model_copy(update=limits))


@app.command(cls=SectionedCommand)
@with_flags(PyannoteSpeakerDiarizationParams)
def diarize(
    files: Files,
    *,
    fields: Fields,
    format: Format = "text",
    output: Output = None,
    url: Url = DEFAULT_URL,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Find who speaks when in recordings."""
    fields = _with_voices(fields)
    _process(files, lambda client, file: client.diarize(file, **fields), format, output, url, timeout)


@app.command()
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
    url: Url = DEFAULT_URL,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Learn the voice of a person, for --known-speakers of the other commands."""
    voices: tuple[KnownSpeaker, ...] = ()
    if output is not None:
        needs_folder(output)
        voices = _read_voices(output, "--output") if output.exists() else ()
    with _connect(url, timeout) as client:
        try:
            with _waiting(clip):
                voice = client.enroll(clip, name)
            voices = with_voice(voices, voice)
        except TriologueError as error:
            _report(error)
            raise typer.Exit(1) from None
    if output is None:
        typer.echo(to_text([voice]), nl=False)
        return
    try:
        write_voices(output, voices)
    except OSError as error:
        typer.echo(f"error: {output} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{name} is one of {len(voices)} in {output}")


@app.command()
def health(url: Url = DEFAULT_URL) -> None:
    """Show which models take requests; the exit status is 1 when one does not."""
    with _connect(url) as client:
        try:
            state = client.server_info()
        except TriologueError as error:
            _report(error)
            raise typer.Exit(1) from None
    ready = state.ready and all(state.models.values())
    typer.echo(f"Triton {state.version} at {url} is {'ready' if ready else 'not ready'}")
    table = Table("model", "ready")
    for model, is_ready in state.models.items():
        table.add_row(model, "yes" if is_ready else "no")
    Console().print(table)
    if not ready:
        raise typer.Exit(1)


def _process(
    files: list[Path],
    call: Callable[[Client, Path], TranscriptionResult | DiarizationResult],
    format: str,
    output: Path | None,
    url: str,
    timeout: float,
    style: CueStyle = SRT_STYLE,
) -> None:
    """Send each file and write each result; a file that fails does not keep the others from their turn."""
    targets = targets_of(files, format, output)
    several = len(files) > 1
    failed = False
    with _connect(url, timeout) as client:
        for file, target in zip(files, targets, strict=True):
            try:
                with _waiting(file):
                    result = call(client, file)
            except TriologueError as error:
                failed = True
                _report(error, file if several else None)
                if isinstance(error, InvalidOption | ServerUnavailable):
                    break  # The other files would fare no better.
                continue
            for warning in result.warnings:
                typer.echo(f"warning: {_one_line(warning)}", err=True)
            if isinstance(result, DiarizedResult):
                for name, similarity in result.known_speakers.items():
                    typer.echo(f"recognised: {name} (similarity {similarity:.2f})", err=True)
            if several and format == "text":
                typer.echo(f"{file}:")
            written = FORMATS[format](result, file.stem, style)
            if target is not None:
                try:
                    target.write_text(written, encoding="utf-8")
                except OSError as error:
                    # What was transcribed must not be lost with the file.
                    typer.echo(f"error: {target} cannot be written: {error.strerror}", err=True)
                    target, failed = None, True
            if target is None:
                typer.echo(written, nl=False)
            if format == "text":
                typer.echo(f"\n{summarize(result)}" if target is None else summarize(result))
    if failed:
        raise typer.Exit(1)


def _with_voices(fields: Fields) -> Fields:
    """Read the file of known speakers, where a path was given and not JSON."""
    given = fields.get("known_speakers")
    if given is None or given.lstrip().startswith(("[", "{")):
        return fields
    return fields | {"known_speakers": _read_voices(Path(given), "--known-speakers")}


def _read_voices(path: Path, hint: str) -> tuple[KnownSpeaker, ...]:
    try:
        return read_voices(path)
    except InvalidOption as error:
        raise typer.BadParameter(_one_line(error.message), param_hint=hint) from None
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint=hint) from None


def _connect(url: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> Client:
    try:
        return Client(url, timeout_s=timeout_s)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None


@contextmanager
def _waiting(file: Path) -> Iterator[None]:
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(escape(file.name)):
            yield
    else:
        yield


def _report(error: TriologueError, file: Path | None = None) -> None:
    about = "" if file is None else f"{file}: "
    typer.echo(f"error: {error.code.value}: {about}{_one_line(error.message)}", err=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())
