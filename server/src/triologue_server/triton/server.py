"""A Triton server: started until every model is ready, and stopped until nothing of it is left."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING

import httpx

from triologue_server.settings import OPERATOR_KEY_ENV, Settings
from triologue_server.tracing import FORWARDED
from triologue_server.triton import core_key, stopping
from triologue_server.triton.installation import Installation, prepare_triton
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.metrics import counts_recordings, is_idle
from triologue_server.triton.output import Output
from triologue_server.triton.ports import with_free_ports
from triologue_server.triton.processes import Stubs, kill_group, spawn_group
from triologue_server.triton.repository import find_repository, write_repository

if TYPE_CHECKING:
    from typing_extensions import Self

_POLL_S = 0.1
# Triton counts a request as answered when its network threads have the reply, not when the caller has it.
_REPLY_S = 0.2
# A large upload takes a while from Triton's network threads to the conductor, who counts it.
_QUIET_S = 1.0
# Triton ends by itself when its grace is over, give or take the second in which it counts.
_OVERDUE_S = 5.0

# They change files, memory or behaviour of the server, or tell what others do, so no caller may use them.
_CLOSED_APIS = "shared-memory,model-repository,logging,trace,statistics"
KEY_HEADER = "triologue-key"
"""What an operator sends the key in, over HTTP."""
GRPC_KEY_HEADER = f"triton-grpc-protocol-{KEY_HEADER}"
"""The same over gRPC, where Triton puts words of its own before it."""

# What names a request, and whose trace it belongs to: the conductor reads it among the parameters.
_FORWARDED = f"(?i)({'|'.join(FORWARDED)})"

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108

_DEFAULTS = {
    # Idle OpenMP threads spin by default, and take the cores from the models that have work.
    "OMP_WAIT_POLICY": "PASSIVE",
    "KMP_BLOCKTIME": "0",
    # PyTorch and oneDNN keep what they set up for each length of audio, a thousand times by default, which is
    # gigabytes; setting it up anew takes no time that could be measured.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16",
    "LRU_CACHE_CAPACITY": "16",
    # A weight file is data: what loads it may make tensors, and the few classes that `pipeline` allows.
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
    # PyTorch asks for the name of its user, and containers run as users that have none.
    "USER": "triologue",
    "OTEL_SERVICE_NAME": "triologue",
    # Spans should be gone when the server has stopped.
    "OTEL_BSP_SCHEDULE_DELAY": "500",
}
# Neither Triton nor a model has any use for them.
_SECRETS = {OPERATOR_KEY_ENV, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}
# The models are served from the store, whose files are verified; nothing is fetched past it.
_FORCED = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYANNOTE_METRICS_ENABLED": "0",
    "ORT_DISABLE_TELEMETRY": "1",
    "PYTHONUNBUFFERED": "1",
}


def _nothing(_: str) -> None: ...


class TritonServer:
    """Triton with the models of Triologue, as a context manager.

    It belongs to the thread that starts it, and stops when that thread ends.

    >>> with TritonServer(Settings()) as server:
    ...     httpx.get(f"{server.http_url}/v2/health/ready")
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_ready: Callable[[str], None] = _nothing,
        on_output: Callable[[str], None] = _nothing,
        start_timeout_s: float = 300.0,
    ) -> None:
        """Describe a server without starting it.

        Args:
            settings: How it is set up.
            on_ready: Called with the name of each model as soon as it is loaded.
            on_output: Called with each line of Triton and its models that the log level lets through.
            start_timeout_s: How long the models may take to load, in seconds.
        """
        self.settings = settings
        """How it is set up; once started, with the ports it listens on."""
        self._on_ready = on_ready
        self._on_output = on_output
        self._start_timeout_s = start_timeout_s
        self._undo = ExitStack()
        self._shm_prefix = f"triologue_{os.getpid()}_{secrets.token_hex(3)}_"

    @property
    def http_url(self) -> str:
        """Base URL of HTTP, as seen from this machine."""
        return f"http://{self._local_host}:{self.settings.http_port}"

    @property
    def grpc_url(self) -> str:
        """URL of gRPC, as seen from this machine."""
        return f"grpc://{self._local_host}:{self.settings.grpc_port}"

    @property
    def metrics_url(self) -> str:
        """URL of the Prometheus metrics, as seen from this machine."""
        return f"http://{self._local_host}:{self.settings.metrics_port}/metrics"

    @property
    def _local_host(self) -> str:
        return "127.0.0.1" if self.settings.host == "0.0.0.0" else self.settings.host  # noqa: S104

    def start(self) -> None:
        """Start Triton, and return when every model is ready.

        Raises:
            LaunchError: It cannot be started, or a model cannot be loaded; nothing of it is left.
        """
        self.settings = with_free_ports(self.settings)
        with ExitStack() as undo:
            runtime = Path(undo.enter_context(TemporaryDirectory(prefix="triologue-")))
            models = runtime / "models"
            names = write_repository(find_repository(self.settings), models, self.settings)
            triton = prepare_triton(runtime)
            environment = _DEFAULTS | triton.environment() | _FORCED | self.settings.to_environment()
            environment |= stopping.environment(runtime)
            environment |= {} if self.settings.open_cores else core_key.environment()
            environment = {name: value for name, value in environment.items() if name not in _SECRETS}
            undo.callback(_remove_shared_memory, self._shm_prefix)
            process = spawn_group(self._command(triton, models), environment)
            output = Output(process, self.settings.log_level, self._on_output)
            undo.callback(output.close)
            undo.callback(kill_group, process)
            self._runtime, self._process, self._output = runtime, process, output
            trouble = self._wait_until_ready(names)
            if not trouble:
                self._stubs = Stubs(process.pid)
                output.serving = True
                self._undo = undo.pop_all()
        # By now Triton's last words have been read.
        if trouble:
            raise LaunchError(f"{trouble}:\n{output.errors()}")

    def trouble(self) -> str:
        """Return what has ended by itself: Triton, or a process of a model; nothing while all is well."""
        if self._process.poll() is not None:
            return f"Triton ended with status {self._process.returncode}"
        ended = self._stubs.ended()
        return f"the process of {' and '.join(ended)} ended" if ended else ""

    def stop(self) -> None:
        """Answer the requests that have come in, as far as the grace goes, and end every process."""
        self._output.serving = False
        try:
            stopping.announce(self._runtime)
            with self._models_kept():
                self._process.terminate()
                self._wait_until_answered()
                time.sleep(_REPLY_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """End every process at once, and remove what Triton leaves behind."""
        self._undo.close()

    def errors(self) -> str:
        """Return the last lines of Triton's output that tell of trouble."""
        return self._output.errors()

    def __enter__(self) -> "Self":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self, triton: Installation, models: Path) -> list[str]:
        settings, level = self.settings, self.settings.log_level
        operator = settings.operator_key
        secret = operator.get_secret_value() if operator else secrets.token_hex(16)
        key = f"{_CLOSED_APIS}:{KEY_HEADER}={secret}"
        return [
            str(triton.executable),
            f"--model-repository={models}",
            f"--backend-directory={triton.backends}",
            f"--backend-config=python,shm-region-prefix-name={self._shm_prefix}",
            "--disable-auto-complete-config",
            "--model-control-mode=none",
            f"--exit-timeout-secs={self.settings.grace_s}",
            f"--http-address={settings.host}",
            f"--http-port={settings.http_port}",
            f"--http-restricted-api={key}",
            f"--http-header-forward-pattern={_FORWARDED}",
            f"--grpc-address={settings.host}",
            f"--grpc-port={settings.grpc_port}",
            f"--grpc-restricted-protocol={key}",
            f"--grpc-header-forward-pattern={_FORWARDED}",
            f"--metrics-address={settings.host}",
            f"--metrics-port={settings.metrics_port}",
            # Always on: it tells which models are loaded, and when the last request has been answered.
            "--log-info=true",
            "--log-error=true",
            f"--log-warning={str(level != 'error').lower()}",
            f"--log-verbose={int(level == 'verbose')}",
        ]

    def _wait_until_ready(self, names: list[str]) -> str:
        """Return what went wrong, or nothing."""
        deadline = time.monotonic() + self._start_timeout_s
        told: set[str] = set()
        with httpx.Client(base_url=self.http_url, timeout=5.0, trust_env=False) as http:
            while time.monotonic() < deadline:
                # Triton listens when all models are loaded; until then only its output tells which are.
                ready = _ready_models(http, names)
                for name in names:
                    if name not in told and (name in ready or name in self._output.loaded):
                        told.add(name)
                        self._on_ready(name)
                if len(ready) == len(names):
                    return ""
                if self._output.failed.wait(_POLL_S):
                    return "Triton cannot load a model"
                if self._process.poll() is not None:
                    return f"Triton ended with status {self._process.returncode}"
        missing = ", ".join(name for name in names if name not in told) or "no answer over HTTP"
        return f"Triton was not ready after {self._start_timeout_s:g} s ({missing})"

    @contextmanager
    def _models_kept(self) -> Iterator[None]:
        """Keep Triton from unloading the cores while the conductor still needs them.

        It does so as soon as no caller over HTTP is connected, whoever else waits for an answer (2.51): so we
        stay connected. Where no conductor tells when all is answered, that is left to Triton.
        """
        with httpx.Client(base_url=self.http_url, timeout=1.0, trust_env=False) as http:
            if counts_recordings(self._metrics()):
                with suppress(httpx.TransportError):
                    http.get("/v2/health/live")
            yield

    def _wait_until_answered(self) -> None:
        busy = time.monotonic()
        deadline = busy + self.settings.grace_s + _OVERDUE_S
        # Triton also waits for connections that are merely kept open, and unloading takes it more than a
        # second for each instance, one after the other: neither is of any use.
        while self._process.poll() is None and not self._output.drained.wait(_POLL_S):
            now = time.monotonic()
            busy = busy if is_idle(self._metrics()) else now
            if now > min(deadline, busy + _QUIET_S):
                return

    def _metrics(self) -> str:
        try:
            return httpx.get(self.metrics_url, timeout=1.0, trust_env=False).text
        except httpx.TransportError:
            return ""


def _ready_models(http: httpx.Client, names: list[str]) -> set[str]:
    try:
        return {name for name in names if http.get(f"/v2/models/{name}/ready").is_success}
    except httpx.TransportError:
        return set()


def _remove_shared_memory(prefix: str) -> None:
    for segment in _SHARED_MEMORY.glob(f"{prefix}*"):
        segment.unlink(missing_ok=True)
