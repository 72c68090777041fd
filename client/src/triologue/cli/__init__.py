"""The command line: `triologue transcribe`, `diarize`, `batch`, `enroll`, `health` and `models`."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from triologue import __version__
from triologue.cli import batch, diarize, enroll, state, transcribe
from triologue.cli.help import SectionedCommand
from triologue.cli.statuses import Status
from triologue.cli.stdout import drop_what_is_left, prepare_stdout

__all__ = ["app"]


class _Commands(TyperGroup):
    """The commands, each of which ends without a traceback when it is left."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(Status.INTERRUPTED) from None
        except BrokenPipeError:
            raise typer.Exit(Status.UNREAD) from None
        finally:
            drop_what_is_left()


app = typer.Typer(
    cls=_Commands,
    help="Who said what, and when: diarized transcripts from a Triologue server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _tell_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"triologue {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    prepare_stdout()


def _add(command: Callable[..., None], short_help: str, epilog: str | None = None) -> None:
    app.command(cls=SectionedCommand, short_help=short_help, epilog=epilog)(command)


_add(transcribe.transcribe, "Write down what is said, and by whom.", transcribe.EXAMPLES)
_add(diarize.diarize, "Find who speaks when.", diarize.EXAMPLES)
_add(batch.batch, "Work on an archive that a manifest names.", batch.EXAMPLES)
_add(enroll.enroll, "Learn the voice of a person.")
_add(state.health, "Show whether the server is ready.")
_add(state.models, "Show what models the server has.")
