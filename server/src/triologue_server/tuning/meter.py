"""Measuring: a Triton that serves nothing but one core, under as much load as the service gives it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from triologue_server.settings import Settings
from triologue_server.transcription.window import WINDOW_SECONDS
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.repository import find_repository
from triologue_server.triton.server import TritonServer
from triologue_server.tuning.calls import Call, calls_of
from triologue_server.tuning.candidates import Candidate
from triologue_server.tuning.cores import Core, Placement, calls_at_once, with_candidate, with_limits
from triologue_server.tuning.load import put_under_load
from triologue_server.tuning.machine import Machine, gpu_used_mb, peak_mb, stubs
from triologue_server.tuning.search import Infeasible, Measured
from triologue_server.tuning.speech import Samples

_LOCAL = {"host": "127.0.0.1", "http_port": 0, "grpc_port": 0, "metrics_port": 0, "log_level": "error"}


class Meter:
    """Measures candidates of the cores.

    Args:
        machine: Where.
        windows: Speech to measure with.
        seconds: How long a candidate is called at least, in seconds.
    """

    def __init__(self, machine: Machine, windows: Sequence[Samples], seconds: float) -> None:
        self._machine = machine
        self._windows = windows
        self._seconds = seconds
        self._calls: dict[Core, list[Call]] = {}

    def measure(self, core: Core, settings: Settings, candidate: Candidate) -> Measured:
        """Measure a candidate of a core whose other settings are `settings`.

        Raises:
            Infeasible: It cannot be started, or does not answer.
            StoreError: The model is not in the store.
        """
        if core not in self._calls:
            self._calls[core] = calls_of(core, settings, self._windows)
        on_gpu = Placement.of(core, settings, self._machine).on_gpu
        changed = with_candidate(core, settings, candidate)
        callers = calls_at_once(core, changed, self._machine)
        changed = with_limits(changed, core_queue=max(settings.limits.core_queue, callers))
        before, taken = stubs(), gpu_used_mb()
        with _serving(core, changed) as server:
            load = put_under_load(
                server.grpc_url.removeprefix("grpc://"),
                core.value,
                self._calls[core],
                warm_up=callers,
                callers=callers,
                seconds=self._seconds,
            )
            memory = gpu_used_mb() - taken if on_gpu else peak_mb(stubs() - before)
        return Measured(load.calls_a_second * WINDOW_SECONDS, load.p95_s, memory)


@contextmanager
def _serving(core: Core, settings: Settings) -> Iterator[TritonServer]:
    """Serve one core on free ports as long as the context."""
    with TemporaryDirectory(prefix="triologue-tune-") as folder:
        (Path(folder) / core.value).symlink_to(find_repository(settings) / core.value)
        server = TritonServer(
            settings.model_copy(update={**_LOCAL, "model_repository": Path(folder), "open_cores": True})
        )
        try:
            server.start()
        except LaunchError as error:
            raise Infeasible(str(error)) from error
        try:
            yield server
        finally:
            # Everything has been answered: there is nothing to wait for.
            server.kill()
