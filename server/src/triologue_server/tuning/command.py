"""The command `triologue-server tune`."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from triologue.schema import TriologueError
from triologue_server.flags import (
    ComputeType,
    Diarization,
    Models,
    Whisper,
    change,
    explain,
    fail,
    to_variables,
)
from triologue_server.settings import Settings
from triologue_server.store import StoreError
from triologue_server.triton.devices import check_devices
from triologue_server.triton.launch_error import LaunchError
from triologue_server.tuning.cores import Core
from triologue_server.tuning.machine import Machine
from triologue_server.tuning.meter import Meter
from triologue_server.tuning.profile import profile_text
from triologue_server.tuning.report import comments, flags, one_line, table
from triologue_server.tuning.search import Objective, Trial
from triologue_server.tuning.speech import speech
from triologue_server.tuning.tune import Plan, TuningError, tune

_console = Console(stderr=True, highlight=False, markup=False, emoji=False)

Profile = Annotated[str | None, typer.Option(help="What to begin with: embedded, gpu, or a TOML file.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other setting to begin with."),
]
Cores = Annotated[
    list[Core] | None, typer.Option("--core", help="Tune this one; may be given again. Default: all.")
]
Audio = Annotated[
    Path | None, typer.Option(help="Recording to measure with; by default a sample of two people.")
]
Goal = Annotated[
    Objective, typer.Option(help="The most audio a second, or less of it and answers that come sooner.")
]
Minutes = Annotated[float, typer.Option(min=0.0, max=600.0, help="How long it may take, in minutes.")]
Seconds = Annotated[
    float, typer.Option(min=0.1, max=600.0, help="How long each candidate is called at least, in seconds.")
]
MemoryMb = Annotated[
    float | None,
    typer.Option(
        "--memory-mb",
        min=1.0,
        help="Memory that the cores may take together, in megabytes: of the GPU if they are on one. "
        "Default: what is free.",
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the profile there, instead of printing it.")
]


def tune_command(
    profile: Profile = None,
    models: Models = None,
    whisper: Whisper = None,
    compute_type: ComputeType = None,
    diarization: Diarization = None,
    changes: Changes = None,
    cores: Cores = None,
    audio: Audio = None,
    objective: Goal = Objective.THROUGHPUT,
    minutes: Minutes = 5.0,
    seconds: Seconds = 5.0,
    memory_mb: MemoryMb = None,
    output: Output = None,
) -> None:
    """Propose batch sizes, instances, workers and threads for this machine, by measuring."""
    settings_flags = {
        "profile": profile,
        "models": models,
        "whisper.model": whisper,
        "whisper.compute_type": compute_type,
        "diarization.pipeline": diarization,
    }
    try:
        os.environ.update(to_variables(settings_flags | dict(map(change, changes or ()))))
        settings = Settings()
    except ValueError as error:
        fail(*explain(error), status=2)
    if output and not output.absolute().parent.is_dir():
        fail(f"--output {output}: there is no folder {output.parent}", status=2)
    plan = Plan(
        cores=[core for core in Core if core in (cores or Core)],
        objective=objective,
        minutes=minutes,
        memory_mb=memory_mb,
    )
    try:
        text = _tuned(settings, plan, audio, seconds)
        if output:
            output.write_text(text, encoding="utf-8")
            _console.print(f"serve with: triologue-server serve --profile {output}", soft_wrap=True)
        else:
            typer.echo(text, nl=False)
    except (LaunchError, StoreError, TriologueError, TuningError, OSError) as error:
        fail(str(error))


def _tuned(settings: Settings, plan: Plan, audio: Path | None, seconds: float) -> str:
    """Tune, tell how it goes, and return the profile."""
    machine = Machine.this()
    _console.print(f"{machine}", soft_wrap=True)
    check_devices(settings, {core.value for core in plan.cores})
    meter = Meter(machine, speech(audio), seconds)

    def tell(core: Core, trial: Trial) -> None:
        _console.print(one_line(core, trial), soft_wrap=True)

    with _console.status("measuring"):
        proposal = tune(settings, machine, meter.measure, plan, tell)
    for core in proposal.tuned:
        _console.print(table(core))
    _console.print(flags(settings, proposal) or "what is set is the best there is", soft_wrap=True)
    return profile_text(proposal.settings, comments(settings, proposal, machine, plan.objective))
