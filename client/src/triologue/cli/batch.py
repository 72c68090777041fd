"""`triologue batch`."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from triologue.batch.errors import BatchError
from triologue.batch.local import on_threads
from triologue.batch.manifest import Manifest
from triologue.batch.on_ray import on_ray, rows_of, running
from triologue.batch.place import Place
from triologue.batch.row import Row
from triologue.batch.worker import Plan
from triologue.cli.connection import Connection
from triologue.cli.flags import with_flags
from triologue.cli.groups import with_groups
from triologue.cli.parameters import Working, format_option
from triologue.cli.progress import Totals, progress_for
from triologue.cli.reports import one_line
from triologue.cli.statuses import Status
from triologue.cli.voices import with_voices
from triologue.formats import FORMATS
from triologue.protocol.request import PIPELINES, Pipeline
from triologue.schema import DiarizedAsrOptions, InvalidOption, parse_parameters
from triologue.writing import UNWRITABLE

EXAMPLES = """
\b
Examples:
  triologue batch calls.jsonl --output transcripts/ --jobs 8
  triologue batch s3://calls/march.parquet --output s3://transcripts/march -f srt --jobs 32
  triologue batch calls.jsonl --output transcripts/ --engine ray --ray-address auto --jobs 32
"""


class Engine(str, Enum):
    """What works on an archive."""

    LOCAL = "local"
    RAY = "ray"


class _Pipelines(str, Enum):
    """The pipelines, as typer wants them."""

    DIARIZED_ASR = "diarized_asr"
    TRANSCRIPTION = "transcription"
    DIARIZATION = "diarization"


@with_flags(DiarizedAsrOptions)
@with_groups
def batch(
    manifest: Annotated[
        str,
        typer.Argument(
            metavar="MANIFEST",
            help="The recordings: a file of JSON lines (.jsonl) or Parquet (.parquet), a path or URL. A line "
            "holds `audio`, a path or URL, and may hold `id`, `options` and `metadata`.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="PLACE",
            rich_help_panel="Output",
            help="Where results go: a folder, or a URL that fsspec writes to, such as s3://bucket/folder.",
        ),
    ],
    formats: Annotated[
        list[str] | None, format_option("How results are written, besides json; may be given several times.")
    ] = None,
    pipeline: Annotated[
        _Pipelines, typer.Option(rich_help_panel="Work", help="What is wanted of the recordings.")
    ] = _Pipelines.DIARIZED_ASR,
    again: Annotated[
        bool,
        typer.Option(
            "--again", rich_help_panel="Output", help="Work also on recordings whose results are there."
        ),
    ] = False,
    summary: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            rich_help_panel="Output",
            help="A file that gets a JSON object a line about each recording, as soon as it has ended.",
        ),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(rich_help_panel="Work", help="What makes the calls: this process, or Ray's."),
    ] = Engine.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS",
            metavar="ADDRESS",
            rich_help_panel="Work",
            help="The cluster of --engine ray; otherwise Ray is started on this machine.",
        ),
    ] = None,
    *,
    working: Working,
    connection: Connection,
    fields: dict[str, Any],
) -> None:
    """Work on an archive: thousands of recordings named in a manifest, each result written once."""
    name: Pipeline = pipeline.value
    fields = with_voices(fields)
    _check_options(name, fields, as_json=working.as_json)
    _check_formats(formats or [], name, fields)
    with _refused("--output"):
        place = Place(output)
    with _refused("MANIFEST"):
        named = Manifest(manifest)
        count = named.check()
    plan = Plan(place.url, name, fields, tuple(formats or ()), again)
    connection.client().close()  # Refuses what is no server or certificate, before anything begins.
    with ExitStack() as stack:
        stack.callback(_clear, place)
        file = stack.enter_context(_opened(summary)) if summary else None
        if engine is Engine.RAY:
            with _refused("--engine"):
                stack.enter_context(running(ray_address))
        with _refused("--output"):
            rows = _rows(engine, named, plan, connection, working.jobs)
        status = _go(rows, count, working, file)
    if status is not Status.WELL:
        raise typer.Exit(status)


def _rows(
    engine: Engine, manifest: Manifest, plan: Plan, connection: Connection, jobs: int
) -> Generator[Row, None, None]:
    if engine is Engine.RAY:
        return rows_of(on_ray(manifest.entries(), plan, connection.client, jobs=jobs))
    return on_threads(manifest.entries(), plan, connection.client, jobs=jobs)


def _go(rows: Generator[Row, None, None], count: int, working: Working, summary: TextIO | None) -> Status:
    totals = Totals(count)
    progress = progress_for(as_json=working.as_json, is_quiet=working.quiet)
    try:
        with closing(rows):
            for row in rows:
                totals.add(row)
                progress.told(row, totals)
                if summary is not None:
                    summary.write(f"{row.to_json()}\n")
    except KeyboardInterrupt:
        totals.status = Status.INTERRUPTED
    except (BatchError, OSError) as error:
        code = error.code if isinstance(error, BatchError) else UNWRITABLE
        progress.broke_off(code, str(error))
        totals.status = max(totals.status, Status.FAILED)
    progress.summed_up(totals)
    return totals.status


def _clear(place: Place) -> None:
    with suppress(OSError):  # The next run does it otherwise.
        place.clear()


@contextmanager
def _opened(summary: Path) -> Iterator[TextIO]:
    with _refused("--summary"):
        file = summary.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)
    with file:
        yield file


@contextmanager
def _refused(hint: str) -> Iterator[None]:
    """Make wrong usage of what a parameter leads to, before anything is sent."""
    try:
        yield
    except (BatchError, ImportError, ValueError, OSError) as error:
        raise typer.BadParameter(one_line(str(error)), param_hint=hint) from None


def _check_options(pipeline: Pipeline, fields: dict[str, Any], *, as_json: bool) -> None:
    try:
        parse_parameters(PIPELINES[pipeline][0], fields)
    except InvalidOption as error:
        progress_for(as_json=as_json, is_quiet=True).broke_off(error.code.value, error.message)
        raise typer.Exit(Status.USAGE) from None


def _check_formats(formats: list[str], pipeline: Pipeline, fields: dict[str, Any]) -> None:
    """Refuse formats that what is asked for does not fill.

    Raises:
        typer.BadParameter: There is one; it says what is missing.
    """
    has_words = pipeline == "diarized_asr" or bool(fields.get("word_timestamps"))
    for name in formats:
        wanted, hint = FORMATS[name], f"--format {name}"
        if wanted.needs_speakers and pipeline == "transcription":
            raise typer.BadParameter("needs speakers: another --pipeline", param_hint=hint)
        if not wanted.is_for_diarizations and pipeline == "diarization":
            raise typer.BadParameter("needs text: another --pipeline", param_hint=hint)
        if wanted.needs_words and not has_words:
            raise typer.BadParameter("needs --word-timestamps", param_hint=hint)
