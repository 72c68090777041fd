"""A real Triton with a tiny model: started, used, stopped, and nothing of it left."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from triologue_server.settings import Settings
from triologue_server.triton import installation
from triologue_server.triton import supervisor as supervisor_module
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.processes import Stubs
from triologue_server.triton.server import TritonServer
from triologue_server.triton.supervisor import Supervisor

CONFIG = """
backend: "python"
max_batch_size: 0
input [ { name: "SECONDS" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 2 } ]
"""
MODEL = """
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        {initialize}

    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "SECONDS")) for request in requests]

    def answer(self, seconds):
        self.count(1)
        time.sleep(float(seconds.as_numpy()[0]))
        self.count(-1)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", seconds.as_numpy())])

    def count(self, change):
        if hasattr(self, "in_flight"):
            self.in_flight.increment(change)
"""
MARK = "LAUNCHER_TEST_MARK"


def write_model(repository: Path, name: str, initialize: str = "pass") -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(CONFIG)
    (repository / name / "1" / "model.py").write_text(MODEL.format(initialize=initialize))


class Said:
    """A log that is kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tell = self.output = self.lines.append


class Traces:
    """What servers that were started by one test have left on the machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.mark = uuid.uuid4().hex
        self.folder = folder
        self.launchers: set[int] = set()
        """Process ids of the launchers that the test has started."""
        self._segments = self._shared_memory()
        monkeypatch.setenv(MARK, self.mark)
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(tempfile, "tempdir", str(folder))

    def processes(self) -> list[str]:
        """Command lines of the processes below this one."""
        found = []
        for process in {*Path("/proc").glob("[0-9]*")} - {Path(f"/proc/{os.getpid()}")}:
            # One that has ended has no environment any more, though it may wait to be reaped.
            with suppress(OSError):
                if self.mark in (process / "environ").read_text("latin-1"):
                    found.append((process / "cmdline").read_text("latin-1").replace("\0", " "))
        return found

    def shared_memory(self) -> list[Path]:
        return sorted(self._shared_memory() - self._segments)

    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())

    def assert_none(self) -> None:
        assert (self.processes(), self.shared_memory(), self.files()) == ([], [], [])

    def _shared_memory(self) -> set[Path]:
        owners = {os.getpid(), *self.launchers}
        return {path for owner in owners for path in Path("/dev/shm").glob(f"triologue_{owner}_*")}


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Traces:
    (tmp_path / "tmp").mkdir()
    return Traces(monkeypatch, tmp_path / "tmp")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_model(tmp_path / "models", "echo")
    return tmp_path / "models"


def tiny(repository: Path, **changes: object) -> Settings:
    ports = {"http_port": 0, "grpc_port": 0, "metrics_port": 0}
    return Settings(model_repository=repository, **{**ports, **changes})


def infer(url: str, seconds: float = 0.0) -> httpx.Response:
    tensor = {"name": "SECONDS", "shape": [1], "datatype": "FP32", "data": [seconds]}
    return httpx.post(f"{url}/v2/models/echo/infer", json={"inputs": [tensor]}, timeout=60, trust_env=False)


class InBackground(threading.Thread):
    """One request that takes a while."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__()
        self.answer: httpx.Response | None = None
        self._arguments = url, seconds
        self.start()
        time.sleep(0.3)

    def run(self) -> None:
        with suppress(httpx.TransportError):
            self.answer = infer(*self._arguments)


def is_listening(url: str) -> bool:
    host, port = url.split("/")[2].split(":")
    with socket.socket() as connection:
        return connection.connect_ex((host, int(port))) == 0


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- a server that serves


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    repository = tmp_path_factory.mktemp("models")
    write_model(repository, "echo")
    with TritonServer(tiny(repository)) as running:
        yield running


def test_a_request_is_answered(server: TritonServer) -> None:
    answer = infer(server.http_url, 0.25)
    assert answer.json()["outputs"][0]["data"] == [0.25]


def test_metrics_are_served(server: TritonServer) -> None:
    assert 'nv_inference_request_success{model="echo"' in httpx.get(server.metrics_url, trust_env=False).text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "logging"),
        ("POST", "logging"),
        ("GET", "trace/setting"),
        ("POST", "models/echo/trace/setting"),
        ("POST", "repository/index"),
        ("POST", "repository/models/echo/load"),
        ("POST", "repository/models/echo/unload"),
        ("GET", "systemsharedmemory/status"),
        ("POST", "systemsharedmemory/region/x/register"),
        ("GET", "cudasharedmemory/status"),
        ("GET", "models/stats"),
        ("GET", "models/echo/stats"),
    ],
)
def test_http_that_changes_the_server_is_refused(server: TritonServer, method: str, path: str) -> None:
    answer = httpx.request(method, f"{server.http_url}/v2/{path}", json={}, trust_env=False)
    assert answer.status_code == 403
    assert "restricted" in answer.json()["error"]


@pytest.mark.parametrize("path", ["health/live", "health/ready", "", "models/echo"])
def test_http_that_tells_about_the_server_is_allowed(server: TritonServer, path: str) -> None:
    assert httpx.get(f"{server.http_url}/v2/{path}".rstrip("/"), trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_log_settings(),
        lambda client: client.update_log_settings({"log_verbose_level": 1}),
        lambda client: client.get_trace_settings(),
        lambda client: client.get_model_repository_index(),
        lambda client: client.unload_model("echo"),
        lambda client: client.get_system_shared_memory_status(),
        lambda client: client.register_system_shared_memory("x", "/x", 8),
        lambda client: client.get_inference_statistics("echo"),
    ],
)
def test_grpc_that_changes_the_server_is_refused(
    server: TritonServer, call: Callable[[triton_grpc.InferenceServerClient], object]
) -> None:
    with (
        triton_grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client,
        pytest.raises(InferenceServerException, match="restricted"),
    ):
        call(client)


def test_grpc_that_tells_about_the_server_is_allowed(server: TritonServer) -> None:
    with triton_grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        assert client.is_server_ready()
        assert client.get_model_metadata("echo").name == "echo"


def test_what_is_closed_opens_to_the_operator(
    repository: Path, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIOLOGUE_OPERATOR_KEY", "the operator's secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    key = "the operator's secret"
    with TritonServer(tiny(repository)) as server:
        url = f"{server.http_url}/v2/models/echo/stats"
        assert httpx.get(url, trust_env=False).status_code == 403
        assert httpx.get(url, headers={"triologue-key": key}, trust_env=False).status_code == 200
        with triton_grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
            header = {"triton-grpc-protocol-triologue-key": key}
            assert client.get_inference_statistics("echo", headers=header).model_stats[0].name == "echo"
        # The models do not get what they have no use for.
        (stub, *_) = Stubs(server._process.pid).models
        variables = Path(f"/proc/{stub}/environ").read_text()
        assert traces.mark in variables
        assert "secret" not in variables


def test_a_port_that_is_taken_is_named_with_its_flag(server: TritonServer, traces: Traces) -> None:
    taken = server.settings.grpc_port
    message = (
        rf"^port {taken} \(gRPC\) on 127\.0\.0\.1 is in use; "
        "choose another with --grpc-port, or 0 for any free one$"
    )
    with pytest.raises(LaunchError, match=message):
        TritonServer(server.settings.model_copy(update={"http_port": 0})).start()
    traces.assert_none()


# --- a server that stops, or never starts


def test_nothing_is_left_of_a_server_that_has_stopped(repository: Path, traces: Traces) -> None:
    write_model(repository, "second")
    ready: list[str] = []
    with TritonServer(tiny(repository), on_ready=ready.append) as server:
        urls = server.http_url, server.grpc_url, server.metrics_url
        assert sorted(ready) == ["echo", "second"]
        # Triton, and a process for each instance.
        assert len(traces.processes()) == 5
        assert len(traces.shared_memory()) == 4
        assert all(map(is_listening, urls))
    traces.assert_none()
    assert not any(map(is_listening, urls))


def test_a_request_that_has_come_in_is_answered(repository: Path, traces: Traces) -> None:
    with TritonServer(tiny(repository)) as server:
        request = InBackground(server.http_url, 1.5)
    request.join()
    assert request.answer
    assert request.answer.json()["outputs"][0]["data"] == [1.5]
    traces.assert_none()


def test_an_open_connection_does_not_keep_the_server_up(tmp_path: Path, traces: Traces) -> None:
    gauge = """self.family = pb_utils.MetricFamily(
            name="triologue_recordings_in_flight", description="-", kind=pb_utils.MetricFamily.GAUGE
        )
        self.in_flight = self.family.Metric(labels={})"""
    write_model(tmp_path / "models", "echo", gauge)
    with httpx.Client(trust_env=False) as client, TritonServer(tiny(tmp_path / "models")) as server:
        assert client.get(f"{server.http_url}/v2/health/ready").is_success
        request = InBackground(server.http_url, 3.0)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 8.0
    request.join()
    assert request.answer
    assert request.answer.is_success
    traces.assert_none()


def test_a_request_cannot_keep_the_server_up(repository: Path, traces: Traces) -> None:
    with TritonServer(tiny(repository, grace_s=1)) as server:
        request = InBackground(server.http_url, 50.0)
        started = time.monotonic()
    assert time.monotonic() - started < 8.0
    request.join()
    assert not (request.answer and request.answer.is_success)
    traces.assert_none()


def test_a_model_that_fails_is_told_at_once(repository: Path, traces: Traces) -> None:
    write_model(repository, "broken", 'raise ValueError("the weights have gone")')
    write_model(repository, "slow", "time.sleep(50)")
    started = time.monotonic()
    with pytest.raises(LaunchError, match=r"cannot load a model:\n(.*\n)*.*the weights have gone"):
        TritonServer(tiny(repository)).start()
    assert time.monotonic() - started < 8.0
    traces.assert_none()


def test_a_model_that_takes_too_long_is_named(repository: Path, traces: Traces) -> None:
    write_model(repository, "slow", "time.sleep(50)")
    with pytest.raises(LaunchError, match=r"Triton was not ready after 1\.5 s \(slow\)"):
        TritonServer(tiny(repository), start_timeout_s=1.5).start()
    traces.assert_none()


def test_what_models_say_passes_at_its_level(repository: Path) -> None:
    write_model(repository, "wordy", 'pb_utils.Logger.log_error("a complaint")')
    said: dict[str, list[str]] = {"info": [], "warning": []}
    for level, lines in said.items():
        with TritonServer(tiny(repository, log_level=level), on_output=lines.append):
            pass
    assert any("a complaint" in line for line in said["info"])
    # While the models load, only a failure would tell.
    assert said["warning"] == []


# --- the Triton that is used


def test_a_triton_of_the_machine_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    triton = tmp_path / "triton" / "bin" / "tritonserver"
    triton.parent.mkdir(parents=True)
    triton.touch(0o755)
    monkeypatch.setenv("PATH", str(triton.parent), prepend=os.pathsep)
    found = installation.prepare_triton(tmp_path / "runtime")
    assert (found.executable, found.backends) == (triton, tmp_path / "triton" / "backends")
    assert installation.locate_triton() == triton
    assert not (tmp_path / "runtime").exists()
    assert found.environment()["PATH"].startswith(f"{sys.prefix}/bin{os.pathsep}")


def test_a_python_without_a_stub_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_installed", lambda: None)
    monkeypatch.setattr(installation, "_PYTHON", "3.7")
    with pytest.raises(LaunchError, match=r"does not run Python 3\.7, only 3\.8, 3\.9, 3\.10, "):
        installation.prepare_triton(tmp_path)


def test_a_python_without_a_shared_library_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_installed", lambda: None)
    monkeypatch.setattr(installation, "_LIBPYTHON", "libpython3.x.so.1.0")
    monkeypatch.setattr(installation.ctypes.util, "find_library", lambda _: None)
    with pytest.raises(LaunchError, match=r"needs libpython3\.x\.so\.1\.0.*apt install libpython3\.\d+"):
        installation.prepare_triton(tmp_path)


def test_a_machine_without_triton_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_installed", lambda: None)
    monkeypatch.setattr(installation, "find_spec", lambda _: None)
    with pytest.raises(LaunchError, match="there is no Triton: install the wheel nvidia-pytriton"):
        installation.prepare_triton(tmp_path)


# --- the command


class Launcher:
    """A `triologue-server serve` with any free ports."""

    def __init__(self, repository: Path, traces: Traces, *arguments: str) -> None:
        ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
        self.said = traces.folder.parent / "said"
        with self.said.open("w") as log:
            self.process = subprocess.Popen(
                [Path(sys.prefix, "bin", "triologue-server"), "serve", *ports, *arguments],
                env=os.environ | {"TRIOLOGUE_MODEL_REPOSITORY": str(repository)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        traces.launchers.add(self.process.pid)

    def wait_for(self, text: str) -> str:
        """Return the rest of the line that starts with `text`, once it has been said."""
        wait_until(lambda: text in self.said.read_text() or self.process.poll() is not None)
        _, found, rest = self.said.read_text().partition(text)
        assert found, self.said.read_text()
        return rest.splitlines()[0].strip()

    def signal(self, number: int, timeout_s: float = 15.0) -> int:
        self.process.send_signal(number)
        return self.end(timeout_s)

    def end(self, timeout_s: float = 15.0) -> int:
        self.process.communicate(timeout=timeout_s)
        return self.process.returncode


@pytest.fixture
def launch(repository: Path, traces: Traces) -> Iterator[Callable[..., Launcher]]:
    launched: list[Launcher] = []

    def start(*arguments: str) -> Launcher:
        launched.append(Launcher(repository, traces, *arguments))
        return launched[-1]

    yield start
    for launcher in launched:
        launcher.process.kill()
        launcher.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_well_when_it_is_asked_to(
    number: int, launch: Callable[..., Launcher], traces: Traces
) -> None:
    launcher = launch()
    url = launcher.wait_for("HTTP ")
    launcher.wait_for("try: triologue transcribe RECORDING --url ")
    assert infer(url).is_success
    request = InBackground(url, 1.0)
    assert launcher.signal(number) == 0
    request.join()
    assert request.answer
    assert request.answer.is_success
    traces.assert_none()


def test_serve_ends_at_once_when_it_is_asked_twice(launch: Callable[..., Launcher], traces: Traces) -> None:
    launcher = launch()
    request = InBackground(launcher.wait_for("HTTP "), 50.0)
    launcher.process.send_signal(signal.SIGINT)
    launcher.wait_for("stopping")
    assert launcher.signal(signal.SIGINT, timeout_s=5.0) == 130
    request.join()
    traces.assert_none()


def test_serve_ends_while_it_is_starting(
    launch: Callable[..., Launcher], repository: Path, traces: Traces
) -> None:
    write_model(repository, "slow", "time.sleep(50)")
    launcher = launch()
    launcher.wait_for("echo ready")
    assert launcher.signal(signal.SIGTERM, timeout_s=5.0) == 0
    traces.assert_none()


def test_triton_does_not_outlive_a_launcher_that_was_killed(
    launch: Callable[..., Launcher], traces: Traces
) -> None:
    launcher = launch()
    launcher.wait_for("ready in")
    launcher.signal(signal.SIGKILL)
    wait_until(lambda: not traces.processes())
    assert traces.shared_memory() == []


@pytest.mark.parametrize("dies", ["Triton", "a model"])
def test_serve_starts_again_what_has_died(dies: str, launch: Callable[..., Launcher], traces: Traces) -> None:
    launcher = launch()
    url = launcher.wait_for("HTTP ")
    pid = launcher.process.pid
    triton = int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
    request = InBackground(url, 50.0)
    if dies == "Triton":
        os.kill(triton, signal.SIGKILL)
    else:
        os.kill(min(Stubs(triton).models), signal.SIGKILL)
    # Whoever waits is told at once that there will be no answer.
    request.join(timeout=10.0)
    assert not request.is_alive()
    assert request.answer is None
    launcher.wait_for(
        "error: Triton ended with status -9" if dies == "Triton" else "error: the process of echo ended"
    )
    launcher.wait_for("started again in ")
    assert infer(url, 0.25).json()["outputs"][0]["data"] == [0.25]
    assert launcher.signal(signal.SIGTERM) == 0
    traces.assert_none()


def test_triton_may_have_many_open_files(repository: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with TritonServer(tiny(repository)) as server:
            limit, _ = resource.prlimit(server._process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert limit == min(hard, 65_536)


def test_what_dies_again_and_again_is_given_up(
    repository: Path, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_CRASHES", 1)
    said = Said()
    supervisor = Supervisor(tiny(repository), said)
    supervisor.start(lambda _: None)

    def kill_it() -> bool:
        os.killpg(supervisor.server._process.pid, signal.SIGKILL)
        supervisor.server._process.wait()
        return False

    with pytest.raises(
        LaunchError, match="2 crashes within 10 minutes; the last: Triton ended with status -9"
    ):
        supervisor.watch(kill_it)
    assert sum(line.startswith("started again in ") for line in said.lines) == 1
    supervisor.stop()
    traces.assert_none()


def test_a_server_that_cannot_be_started_again_is_tried_again(
    repository: Path, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_CRASHES", 2)
    said = Said()
    supervisor = Supervisor(tiny(repository), said)
    supervisor.start(lambda _: None)
    write_model(repository, "broken", 'raise ValueError("the weights have gone")')
    os.killpg(supervisor.server._process.pid, signal.SIGKILL)
    with pytest.raises(LaunchError, match=r"3 crashes within 10 minutes; .*\n(.*\n)*.*the weights have gone"):
        supervisor.watch(lambda: False)
    supervisor.stop()
    traces.assert_none()


def test_serve_tells_why_a_model_does_not_load(
    launch: Callable[..., Launcher], repository: Path, traces: Traces
) -> None:
    write_model(repository, "broken", 'raise ValueError("the weights have gone")')
    launcher = launch()
    assert launcher.end() == 1
    assert "ValueError: the weights have gone" in launcher.said.read_text()
    traces.assert_none()


def test_serve_refuses_to_start_without_the_weights(
    launch: Callable[..., Launcher], repository: Path, tmp_path: Path
) -> None:
    write_model(repository, "whisper")
    launcher = launch(f"--models={tmp_path / 'none'}")
    assert launcher.end() == 1
    assert f"models fetch whisper/base --models {tmp_path / 'none'}`" in launcher.said.read_text()


def test_serve_tells_machines_in_json(launch: Callable[..., Launcher], repository: Path) -> None:
    write_model(repository, "broken", 'raise ValueError("the \\"weights\\" have gone")')
    launcher = launch("--set", "log_format=json", "--log-level", "info")
    assert launcher.end() == 1
    lines = [json.loads(line) for line in launcher.said.read_text().splitlines()]
    assert all({"time", "level", "message"} <= set(line) for line in lines)
    assert lines[0]["message"].startswith("Triton at ")
    assert {"level": "info", "message": "starting Triton"}.items() <= lines[1].items()
    assert (lines[-1]["level"], "\n" in lines[-1]["message"]) == ("error", True)
    assert 'ValueError: the "weights" have gone' in lines[-1]["message"]
    # Of Triton, which says much while it starts.
    assert len(lines) > 10


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            "whisper.compute_type=float16",
            "whisper.compute_type: this CPU does not compute in float16; it does in ",
        ),
        ("whisper.device=cuda", "whisper.device: there is no CUDA GPU here, "),
    ],
)
def test_serve_refuses_what_the_machine_cannot_compute(
    change: str,
    error: str,
    launch: Callable[..., Launcher],
    repository: Path,
    traces: Traces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    write_model(repository, "whisper")
    launcher = launch("--set", change)
    assert launcher.end(timeout_s=10.0) == 1
    # Where Triton is, and the error: it has not been started.
    _, last = launcher.said.read_text().splitlines()
    assert last.startswith(f"error: {error}")
    traces.assert_none()


def test_a_command_gets_the_address_and_gives_the_status(
    launch: Callable[..., Launcher], traces: Traces
) -> None:
    script = """
        import os, sys, urllib.request
        url = os.environ["TRIOLOGUE_URL"]
        print(urllib.request.urlopen(url + "/v2/models/echo/ready").status, os.environ["TRIOLOGUE_GRPC_URL"])
        sys.exit(7)
    """
    launcher = launch("--", sys.executable, "-c", textwrap.dedent(script))
    output, _ = launcher.process.communicate(timeout=30)
    assert launcher.process.returncode == 7
    assert output.startswith("200 grpc://127.0.0.1:")
    traces.assert_none()


def test_a_command_is_ended_with_the_server(launch: Callable[..., Launcher], traces: Traces) -> None:
    launcher = launch("sh", "-c", "echo running >&2; exec sleep 50")
    launcher.wait_for("running")
    assert launcher.signal(signal.SIGTERM) == 128 + signal.SIGTERM
    traces.assert_none()


def test_a_command_that_does_not_exist_is_told_before_the_server_starts(
    launch: Callable[..., Launcher],
) -> None:
    launcher = launch("no-such-command")
    assert launcher.end() == 127
    assert launcher.said.read_text() == "error: there is no command no-such-command\n"
