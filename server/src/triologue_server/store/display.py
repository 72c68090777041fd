"""How downloads are shown: bars on a terminal, a few plain lines anywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console
from rich.filesize import decimal

from triologue_server.store.files import Progress


@contextmanager
def shown_progress(console: Console) -> Iterator[Progress]:
    """Show on `console` what the progress callback is told."""
    if not console.is_terminal:
        yield _plain_lines(console)
        return
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(bar_width=20),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
    )
    with bars.Progress(*columns, console=console) as display:
        tasks: dict[str, bars.TaskID] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = display.add_task(name, total=total)
            display.update(tasks[name], completed=done, total=total)

        yield show


def _plain_lines(console: Console) -> Progress:
    quarters: dict[str, int] = {}

    def say(name: str, done: int, total: int | None) -> None:
        quarter = 4 * done // total if total else 0
        if quarter > quarters.get(name, -1):
            quarters[name] = quarter
            of = f" of {decimal(total)}" if total else ""
            console.print(f"{name}: {decimal(done)}{of}", soft_wrap=True, highlight=False)

    return say
