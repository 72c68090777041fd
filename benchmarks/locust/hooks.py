"""What happens at Locust's events."""

import logging
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import gevent
from locust import User
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import Events
from locust.runners import MasterRunner, Runner, WorkerRunner

from benchmarks.locust.load import LOAD
from benchmarks.locust.measurement import Line, Measurement
from benchmarks.locust.options import Options, add_options
from benchmarks.locust.shapes import PLANNED, Plan, PlannedShape, plan_of
from benchmarks.locust.steps import Ramp, Step, saturation
from benchmarks.locust.tally import Tally
from benchmarks.locust.users import Caller
from benchmarks.locust.watch import Watch

_TALLY = "triologue"  # in what workers tell the master
_END = "triologue_end"  # message of the master: send no more requests
_POLL_S = 0.2

_logger = logging.getLogger(__name__)


def listen(events: Events) -> None:
    """Add the load's listeners to Locust's events."""
    hooks = Hooks()
    events.init_command_line_parser.add_listener(hooks.add_options)
    events.init.add_listener(hooks.init)
    events.test_start.add_listener(hooks.start)
    events.test_stopping.add_listener(hooks.stopping)
    events.test_stop.add_listener(hooks.stop)
    events.report_to_master.add_listener(hooks.report)
    events.worker_report.add_listener(hooks.reported)
    events.quitting.add_listener(hooks.quitting)


class Hooks:
    """The listeners of a process."""

    def __init__(self) -> None:
        self._watch: Watch | None = None
        self._users = 0

    def add_options(self, parser: LocustArgumentParser, **_: Any) -> None:
        """Take the options of the load from the command line."""
        add_options(parser)

    def init(self, environment: Environment, runner: Runner, **_: Any) -> None:
        """Set up what the options ask for, before anything runs."""
        # Imports have held up the loop, by whose clock the run time would have begun before them.
        gevent.get_hub().loop.update_now()
        if isinstance(runner, WorkerRunner):
            runner.register_message(_END, _end, concurrent=True)
            return
        parsed = _parsed(environment)
        LOAD.options = Options.of(parsed)
        if environment.host:
            environment.user_classes[:] = _callers(environment.user_classes, environment.host)
        if LOAD.options.workload in PLANNED:
            # What the web page says by then may be another number of users.
            environment.shape_class = PlannedShape(lambda: _plan(environment))
            environment.shape_class.runner = runner

    def start(self, environment: Environment, **_: Any) -> None:
        """Begin a load."""
        runner = environment.runner
        LOAD.begin(Options.of(_parsed(environment)), calls=not isinstance(runner, MasterRunner))
        if not isinstance(runner, WorkerRunner):
            self._users = 0
            self._watch = Watch(environment)

    def stopping(self, environment: Environment, **_: Any) -> None:
        """Let requests under way be answered before Locust ends its users. It does so by itself only in part.

        Locust's `--stop-timeout` loses the last reports of workers that end with the load, and has no
        notion of requests that outlive the task that sent them.
        """
        runner = environment.runner
        if runner is None or isinstance(runner, WorkerRunner):
            return
        self._users = max(self._users, runner.target_user_count)
        if self._watch is not None:
            self._watch.end()
        LOAD.is_ending.set()
        if isinstance(runner, MasterRunner):
            runner.send_message(_END)
        until = time.monotonic() + LOAD.options.grace
        while runner.user_count and time.monotonic() < until:
            gevent.sleep(_POLL_S)

    def stop(self, environment: Environment, **_: Any) -> None:
        """See what the load has made the models do."""
        if self._watch is not None:
            self._watch.count()

    def report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        """Tell the master all that this worker has counted so far: no earlier report has to have come."""
        data[_TALLY] = LOAD.tally.model_dump()

    def reported(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        """Keep what a worker has counted."""
        if _TALLY in data:
            LOAD.of_workers[client_id] = Tally.model_validate(data[_TALLY])

    def quitting(self, environment: Environment, **_: Any) -> None:
        """Say and write down what was found."""
        runner = environment.runner
        if runner is None or isinstance(runner, WorkerRunner) or self._watch is None:
            return
        found = self._measurement(environment, runner, self._watch)
        if LOAD.options.result:
            found.write(Path(LOAD.options.result))
        _tell(found)

    def _measurement(self, environment: Environment, runner: Runner, watch: Watch) -> Measurement:
        return Measurement(
            options=LOAD.options,
            protocols=[kind.protocol for kind in environment.user_classes if issubclass(kind, Caller)],
            users=self._users,
            workers=max(1, len(LOAD.of_workers)),
            tally=LOAD.total,
            lines=[
                Line(
                    type=entry.method,
                    name=entry.name,
                    count=entry.num_requests - entry.num_none_requests,
                    total=entry.total_response_time,
                    lowest=entry.min_response_time,
                    highest=entry.max_response_time if entry.min_response_time is not None else None,
                    values=dict(entry.response_times),
                )
                for entry in environment.stats.entries.values()
            ],
            windows=watch.windows,
            models=watch.models,
            steps=_steps(environment),
        )


def _parsed(environment: Environment) -> Namespace:
    if not isinstance(environment.parsed_options, Namespace):
        raise RuntimeError("the load is run by Locust's command line")
    return environment.parsed_options


def _callers(classes: list[type[User]], host: str) -> list[type[User]]:
    """Return the users for whom there is a server of their protocol.

    Raises:
        ValueError: There are none.
    """
    found = [kind for kind in classes if not issubclass(kind, Caller) or kind.url(host)]
    if not found:
        raise ValueError(f"none of the users speaks the protocol of {host}")
    return found


def _plan(environment: Environment) -> Plan:
    parsed = _parsed(environment)
    return plan_of(Options.of(parsed), parsed.num_users or 1, parsed.run_time)


def _steps(environment: Environment) -> list[Step]:
    shape = environment.shape_class
    return shape.plan.steps if isinstance(shape, PlannedShape) and isinstance(shape.plan, Ramp) else []


def _end(**_: Any) -> None:
    LOAD.is_ending.set()


def _tell(found: Measurement) -> None:
    tally = found.tally
    _logger.info(
        "%.2f s of audio a second: %.0f s in %.0f s; %d sent, %d answered, %d failed, %d left, %d not sent",
        tally.throughput,
        tally.audio_seconds,
        tally.seconds,
        tally.sent,
        tally.answered,
        tally.failed,
        tally.left,
        tally.not_sent,
    )
    for model, use in found.models.items():
        _logger.info("%s: mean batch %.2f, mean queue %.1f ms", model, use.mean_batch, use.mean_queue_ms)
    for step in found.steps:
        _logger.info("%d users: %.2f audio s/s, %d errors", step.users, step.throughput, step.errors)
    if (point := saturation(found.steps)) is not None:
        _logger.info("saturated by %d users, at %.2f audio s/s", point.users, point.throughput)
    elif found.steps:
        _logger.info("not saturated by %d users", found.steps[-1].users)
