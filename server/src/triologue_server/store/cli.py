"""``triologue-server models``: fetch, verify, list and find the models."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal

from triologue_server.store.artifact import Artifact, Model
from triologue_server.store.catalog import resolve
from triologue_server.store.display import shown_progress
from triologue_server.store.errors import StoreError
from triologue_server.store.pinned import PINNED
from triologue_server.store.store import ModelStore, State, default_root

models_app = typer.Typer(help="Fetch, verify and list the models.", no_args_is_help=True)

Names = Annotated[
    list[str] | None,
    typer.Argument(help="whisper/MODEL or diarization/PIPELINE; without any, the two options below."),
]
Whisper = Annotated[
    str, typer.Option(help="Whisper model: a size, a Hugging Face id (owner/name) or a local folder.")
]
Diarization = Annotated[
    str, typer.Option(help="Diarization pipeline: embedded, a Hugging Face id or a local folder.")
]
Root = Annotated[
    Path,
    typer.Option(
        "--models", envvar="TRIOLOGUE_MODELS", default_factory=default_root, help="Folder of the models."
    ),
]


@models_app.command()
def fetch(
    root: Root, names: Names = None, whisper: Whisper = "base", diarization: Diarization = "embedded"
) -> None:
    """Download the models that are not there yet, and check every file."""
    with _one_line_errors():
        store = ModelStore(root)
        for name, model in _chosen(names, whisper, diarization).items():
            with shown_progress(Console(stderr=True)) as progress:
                folder = store.fetch(model, progress)
            typer.echo(f"{name}\t{folder}")


@models_app.command()
def verify(
    root: Root, names: Names = None, whisper: Whisper = "base", diarization: Diarization = "embedded"
) -> None:
    """Compare every file with its checksum; the exit status is 1 when one is missing or differs."""
    with _one_line_errors():
        store = ModelStore(root)
        found = [
            (name, status)
            for name, model in _chosen(names, whisper, diarization).items()
            for status in store.verify(model)
        ]
    for name, status in found:
        typer.echo(f"{status.state.value}\t{name}\t{status.name}")
    if any(status.state is not State.PRESENT for _, status in found):
        raise typer.Exit(1)


@models_app.command("list")
def list_models(root: Root) -> None:
    """List the models that need no account, and those from Hugging Face that are in the store."""
    with _one_line_errors():
        store = ModelStore(root)
        for name in [*PINNED, *store.snapshots()]:
            statuses = store.status(resolve(name))
            states = {status.state for status in statuses}
            state = next(state for state in (State.CORRUPT, State.MISSING, State.PRESENT) if state in states)
            typer.echo(f"{state.value}\t{name}\t{decimal(sum(status.size for status in statuses))}")


@models_app.command()
def where(root: Root, names: Names = None) -> None:
    """Print the folder of the store, or those of the models named."""
    with _one_line_errors():
        store = ModelStore(root)
        for folder in [store.path(resolve(name)) for name in names] if names else [root]:
            typer.echo(folder)


def _chosen(names: list[str] | None, whisper: str, diarization: str) -> dict[str, Model]:
    """Return the models asked for, by the name that they have in the store."""
    models = [resolve(name) for name in names or (f"whisper/{whisper}", f"diarization/{diarization}")]
    return {model.name if isinstance(model, Artifact) else str(model): model for model in models}


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (StoreError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
