"""A small /dev/shm, as Docker gives it: told at the start, and no reason to hang when it is full."""

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from triologue.schema import ServerOverloaded, server_error
from triologue_server.settings import Settings
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.shared_memory import check_shared_memory

CONFIG = """
backend: "python"
max_batch_size: 0
input [ { name: "UPLOAD" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "ANSWER" data_type: TYPE_STRING dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 2 } ]
"""
# Answers a number with so many bytes, and anything else with how many there were.
MODEL = """
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "UPLOAD")) for request in requests]

    def answer(self, tensor):
        (upload,) = tensor.as_numpy()
        answer = b"1" * int(upload) if upload.isdigit() else str(len(upload)).encode()
        return pb_utils.InferenceResponse([pb_utils.Tensor("ANSWER", np.array([answer], object))])
"""

InSmallMemory = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run() -> InSmallMemory:
    """Return a function that runs a command where /dev/shm has a size, and nothing else sees it."""
    mount = 'mount -t tmpfs -o size="$0" tmpfs /dev/shm && exec "$@"'
    for unshare in (["unshare", "-m"], ["unshare", "-rm"]):
        if subprocess.run([*unshare, "sh", "-c", mount, "1m", "true"], capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("no namespace of its own can be given to a process here")

    def run(size: str, *command: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*unshare, "sh", "-c", mount, size, *command], capture_output=True, text=True, timeout=120
        )

    return run


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models" / "echo"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1" / "model.py").write_text(MODEL)
    monkeypatch.setenv("TRIOLOGUE_MODEL_REPOSITORY", str(folder.parent))
    return folder.parent


SERVE = Path(sys.executable).with_name("triologue-server"), "serve"


def check(profile: str) -> list[str | Path]:
    script = f"""
        from triologue_server.settings import Settings
        from triologue_server.triton.launch_error import LaunchError
        from triologue_server.triton.shared_memory import check_shared_memory
        try:
            print(check_shared_memory(Settings(profile="{profile}", limits={{"upload_mb": 512}})))
        except LaunchError as error:
            print("refused:", error)
    """
    return [sys.executable, "-c", textwrap.dedent(script)]


@pytest.mark.parametrize(
    ("size", "profile", "said"),
    [
        (
            "16m",
            "embedded",
            r"refused: /dev/shm has 16\.8 MB free, and the \d+ processes of the models need ",
        ),
        ("64m", "gpu", r"refused: /dev/shm has 67\.1 MB free, and the \d+ processes of the models need "),
        (
            "64m",
            "embedded",
            r"/dev/shm has 67\.1 MB free: an upload that does not fit is refused, and the largest "
            r"\(limits\.upload_mb, 512\.0 MB\) takes up to 1\.1 GB with all else: give a container more "
            r"\(docker run --shm-size=2g; .* \(mount -o remount,size=2g /dev/shm\)$",
        ),
        ("2g", "embedded", "None$"),
    ],
    ids=["refused", "refused with the profile gpu", "warned of", "enough"],
)
def test_a_small_memory_is_refused_or_warned_of(
    size: str, profile: str, said: str, run: InSmallMemory
) -> None:
    done = run(size, *check(profile))
    assert re.match(said, done.stdout.strip()), done.stdout + done.stderr


def test_memory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=f"^there is no {tmp_path}/none"):
        check_shared_memory(Settings(), tmp_path / "none")


def test_too_little_to_start_says_how_to_get_more(run: InSmallMemory, repository: Path) -> None:
    done = run("1m", *SERVE, "--", "true")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "--shm-size" in done.stderr


ASK = """
import json, os, sys
import httpx

def ask(content):
    headers = {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}
    url = os.environ["TRIOLOGUE_URL"] + "/v2/models/echo/infer"
    answer = httpx.post(url, content=content, headers=headers, timeout=60, trust_env=False)
    return answer.status_code, len(answer.content), answer.text[:1000]

print(json.dumps([ask(b"x" * 1_000_000), ask(WHAT), ask(WHAT), ask(b"x" * 1_000_000)]))
"""


@pytest.mark.parametrize("what", ['b"x" * 20_000_000', 'b"20000000"'], ids=["upload", "answer"])
def test_what_does_not_fit_is_refused_and_the_server_goes_on(
    what: str, run: InSmallMemory, repository: Path
) -> None:
    done = run("8m", *SERVE, "--", sys.executable, "-c", ASK.replace("WHAT", what))
    assert done.returncode == 0, done.stderr
    first, *refused, last = json.loads(done.stdout)
    assert first[0] == last[0] == 200
    for status, _, text in refused:
        assert status >= 400
        error = server_error(text)
        assert isinstance(error, ServerOverloaded)
        assert "--shm-size" in error.message


CORE_CONFIG = """
backend: "python"
max_batch_size: 4
input [ { name: "SIZE" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "ANSWER" data_type: TYPE_STRING dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
# Answers as the cores do: each row with so many bytes as it says.
CORE_MODEL = """
import numpy as np
import triton_python_backend_utils as pb_utils
from triologue_server.triton.rows import RowServer, array_of

class TritonPythonModel:
    def initialize(self, args):
        self.rows = RowServer(read, lambda sizes: [b"1" * size for size in sizes], write, workers=1)

    def execute(self, requests):
        self.rows.execute(requests)

def read(request):
    return [int(size) for size in array_of(request, "SIZE")[:, 0]]

def write(answers):
    return pb_utils.Tensor("ANSWER", np.array([[answer] for answer in answers], object))
"""
ASK_CORE = """
import os, time
import httpx

def ask(size):
    data = {"inputs": [{"name": "SIZE", "shape": [1, 1], "datatype": "BYTES", "data": [str(size)]}]}
    url = os.environ["TRIOLOGUE_URL"] + "/v2/models/core/infer"
    return httpx.post(url, json=data, timeout=60, trust_env=False).status_code

print(ask(10))
try:
    print(ask(20_000_000))
except httpx.TransportError:
    print("broken off")
until = time.monotonic() + 60
while time.monotonic() < until:
    try:
        print(ask(10))
        break
    except httpx.TransportError:
        time.sleep(0.2)
"""


def test_an_answer_of_a_core_that_does_not_fit_keeps_nobody_waiting(
    run: InSmallMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "core"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CORE_CONFIG)
    (folder / "1" / "model.py").write_text(CORE_MODEL)
    monkeypatch.setenv("TRIOLOGUE_MODEL_REPOSITORY", str(folder.parent))
    monkeypatch.setenv("TRIOLOGUE_OPEN_CORES", "true")
    done = run("8m", *SERVE, "--", sys.executable, "-c", ASK_CORE)
    assert done.stdout.split("\n") == ["200", "broken off", "200", ""], done.stderr
    assert "the process of core ended" in done.stderr
    assert "--shm-size" in done.stderr
