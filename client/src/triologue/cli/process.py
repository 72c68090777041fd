"""What the commands that work on recordings have in common: from what was chosen to the exit status."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import typer

from triologue.audio import Audio
from triologue.cli.choosing import PAGE, Choice, show
from triologue.cli.connection import Connection
from triologue.cli.crew import Crew, OnEvent
from triologue.cli.parameters import Working
from triologue.cli.printing import Printer
from triologue.cli.reports import Report, report_for
from triologue.cli.run import Run, Task
from triologue.cli.sources import Source
from triologue.cli.statuses import Status, status_of
from triologue.cli.targets import Target
from triologue.client import Client
from triologue.formats import FORMATS, Setting
from triologue.protocol.request import AnyAnswer
from triologue.schema import InvalidOption, TriologueError, parse_parameters
from triologue.schema.base import WireModel


@dataclass(frozen=True)
class Wish:
    """What is asked for each recording."""

    options: type[WireModel]
    """What the options have to be."""
    fields: Mapping[str, Any]
    """The options that were given."""
    ask: Callable[[Client, Audio, Any, OnEvent | None], AnyAnswer]
    """Makes the call, with the options."""
    stages: int
    """How many stages of the work tell their progress."""
    cues: Mapping[str, int] = field(default_factory=dict)
    """Fields of the style of cues that were given."""
    is_watched: bool = False
    """Segments are written as they come."""
    is_told_by_segments: bool = False
    """Segments as they come are the result already."""


def process(wish: Wish, choice: Choice, working: Working, connection: Connection) -> None:
    """Work on recordings, and end with the status that says what came of them.

    Raises:
        typer.BadParameter: Something was given that will not do.
        typer.Exit: Not all is well.
    """
    count = len(choice.sources)
    report = report_for(count, wish.stages, as_json=working.as_json, is_quiet=working.quiet)
    try:
        options = parse_parameters(wish.options, wish.fields)
    except InvalidOption as error:
        report.failed(None, error.code.value, error.message)
        raise typer.Exit(status_of(error)) from None
    with connection.client() as client:
        wants_events = report.wants_events or wish.is_watched

        def ask(source: Source, on_event: OnEvent) -> AnyAnswer:
            return wish.ask(client, source.audio, options, on_event if wants_events else None)

        task = Task(
            sources=choice.sources,
            targets=choice.targets(),
            render=_renderer(wish, choice),
            jobs=working.jobs,
            resumes=choice.resumes,
            is_watched=wish.is_watched,
        )
        tally = Run(task, Crew(ask, client.close), report, _printer(wish, choice)).go()
    if tally.status is not Status.WELL:
        raise typer.Exit(tally.status)
    if choice.is_shown:
        _show(task, report)


def _renderer(wish: Wish, choice: Choice) -> Callable[[AnyAnswer, Source, Target], str]:
    def render(result: AnyAnswer, source: Source, target: Target) -> str:
        # What is no file, such as a pipe, can be read but once.
        has_audio = choice.has_audio and source.path is not None and source.path.is_file()
        setting = Setting(source.place.name, source.path if has_audio else None, wish.cues)
        form = FORMATS[target.format]
        try:
            return form.write(result, setting)
        except (OSError, TriologueError):
            # The recording is gone, or too large for a page. The result must not be lost with it.
            return form.write(result, replace(setting, audio=None))

    return render


def _printer(wish: Wish, choice: Choice) -> Printer:
    several = len(choice.sources) > 1
    name = choice.formats[0]
    return Printer(
        has_blanks=several and (wish.is_watched or FORMATS[name].is_for_people),
        has_names=several and (wish.is_watched or name == "txt"),
        is_told_by_segments=wish.is_told_by_segments,
    )


def _show(task: Task, report: Report) -> None:
    for target in task.targets[0]:
        if target.format == PAGE and target.path is not None and not show(target.path):
            report.warned(None, f"there is no browser to open {target.path} in")
