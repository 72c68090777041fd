"""What the measurements were and what is proposed, in words and as a table."""

from datetime import date

from rich.box import SIMPLE_HEAD
from rich.table import Table

from triologue_server.settings import Settings
from triologue_server.tuning.cores import Core
from triologue_server.tuning.machine import Machine
from triologue_server.tuning.profile import Comments, changed
from triologue_server.tuning.search import Measured, Objective, Trial
from triologue_server.tuning.tune import Proposal, Tuned

_NUMBERS = ("instances", "workers", "threads", "batch", "audio s/s", "p95 s", "MB")
_LONGEST_REASON = 60


def one_line(core: Core, trial: Trial) -> str:
    """Tell of a trial as it ends."""
    found = _figures(trial.measured) if trial.measured else _short(trial.reason)
    return f"{core.value}: {trial.candidate}: {found}"


def table(core: Tuned) -> Table:
    """Lay out all that was measured of a core."""
    laid_out = Table(title=core.core.value, title_justify="left", box=SIMPLE_HEAD)
    for name in _NUMBERS:
        laid_out.add_column(name, justify="right")
    laid_out.add_column("")
    for trial in core.trials:
        laid_out.add_row(*_cells(core, trial))
    return laid_out


def flags(before: Settings, proposal: Proposal) -> str:
    """Return the flags of `serve` that change settings to what is proposed."""
    changes = changed(before, proposal.settings)
    return " ".join(f"--set {key}={value}" for key, value in changes.items())


def comments(before: Settings, proposal: Proposal, machine: Machine, objective: Objective) -> Comments:
    """Return what a profile should say of where it comes from."""
    head = (
        f"Tuned for {objective.value} on {date.today().isoformat()}, from the profile {before.profile}:",
        f"{machine}",
        "Each core was measured by itself with all that it can do: seconds of audio a second, and how long",
        "95 % of the calls took at most. Queue delays and limits follow from what was chosen.",
    )
    return {"": head, **{core.core.key: _comment(core) for core in proposal.tuned}}


def _comment(core: Tuned) -> list[str]:
    chosen = f"measured: {_figures(core.measured)}"
    before = next((trial.measured for trial in core.trials if trial.candidate == core.current), None)
    if before is None or core.current == core.best.candidate:
        return [chosen]
    return [chosen, f"before, with {core.current}: {_figures(before)}"]


def _figures(measured: Measured) -> str:
    return f"{measured.throughput:.1f} s/s, p95 {measured.p95_s:.2f} s, {measured.memory_mb:.0f} MB"


def _cells(core: Tuned, trial: Trial) -> list[str]:
    candidate, measured = trial.candidate, trial.measured
    set_to = (candidate.instances, candidate.workers, candidate.threads, candidate.max_batch_size)
    figures = [""] * 3
    if measured:
        figures = [f"{measured.throughput:.1f}", f"{measured.p95_s:.2f}", f"{measured.memory_mb:.0f}"]
    return [*map(str, set_to), *figures, _remark(core, trial)]


def _remark(core: Tuned, trial: Trial) -> str:
    marks = {"now": trial.candidate == core.current, "chosen": trial is core.best}
    return _short(trial.reason) or ", ".join(mark for mark, holds in marks.items() if holds)


def _short(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"
