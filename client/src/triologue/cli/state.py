"""`triologue health` and `triologue models`: what a server says about itself."""

from collections.abc import Mapping
from typing import Annotated

import typer

from triologue.cli.connection import Connection, reported
from triologue.cli.groups import with_groups
from triologue.cli.statuses import Status
from triologue.cli.stdout import write_stdout

AsJson = Annotated[bool, typer.Option("--json", help="Write it as JSON.")]


@with_groups
def health(
    wait: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="Wait for so long until the server is ready.")
    ] = 0.0,
    as_json: AsJson = False,
    *,
    connection: Connection,
) -> None:
    """Show whether the server and its models take requests; the exit status says so too."""
    with connection.client() as client, reported():
        if wait:
            client.wait_until_ready(wait)
        info = client.server_info()
    is_ready = info.ready and all(info.models.values())
    if as_json:
        write_stdout(f"{info.model_dump_json(indent=2)}\n")
    else:
        write_stdout(f"Triton {info.version} at {info.url} is {'ready' if is_ready else 'not ready'}\n")
        write_stdout(_models(info.models))
    if not is_ready:
        raise typer.Exit(Status.SERVER)


@with_groups
def models(as_json: AsJson = False, *, connection: Connection) -> None:
    """Show which models the server has, whether each takes requests, and how the server is set."""
    with connection.client() as client, reported():
        info = client.server_info()
    if as_json:
        write_stdout(f"{info.model_dump_json(indent=2, include={'models', 'settings'})}\n")
        return
    write_stdout(_models(info.models))
    if info.settings:
        write_stdout("\n" + _table({"setting": "value", **info.settings}))


def _models(models: Mapping[str, bool]) -> str:
    rows = {name: "yes" if takes_requests else "no" for name, takes_requests in models.items()}
    return _table({"model": "takes requests", **rows})


def _table(rows: Mapping[str, str]) -> str:
    """Return rows in two columns, in plain text that other programs can read."""
    width = max(map(len, rows))
    return "".join(f"{left:<{width}}  {right}\n" for left, right in rows.items())
