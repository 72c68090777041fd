"""Damaged recordings, options and bodies of any kind: each is answered or refused, and no harm is done."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks.processes import descendants, memory_mb
from tests.fuzz import INPUTS
from tests.fuzz.recordings import CODECS, damaged, recordings
from tests.fuzz.requests import OPTIONS, bodies, options
from tests.server.metrics import counts
from tests.server.recordings import silence
from triologue import Client, InternalError
from triologue.schema import server_error
from triologue_server.audio import decode_audio
from triologue_server.triton.metrics import IN_FLIGHT
from triologue_server.triton.processes import Stubs
from triologue_server.triton.server import TritonServer

AT_ONCE = 8
LONGEST_S = 120.0
CHEAP = {"language": "en", "beam_size": 1, "temperature": 0.0, "max_new_tokens": 32}
MORE = {"files": 200, "threads": 100, "megabytes": 500.0}
"""What a server may have more of afterwards: threads and memory are kept once they have been needed."""

OF_TRITON = {
    500: ("failed to parse the request JSON buffer", "Unable to parse '", "parameter key '", "attempt to "),
    501: ("string correlation ID cannot be longer than 128 characters",),
}
"""What Triton says of a request that it cannot read, by its status."""

Item = TypeVar("Item")

pytestmark = pytest.mark.timeout(300 + 2 * INPUTS)
fuzzed = settings(
    max_examples=max(1, INPUTS // AT_ONCE),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # an input that fails is short enough, and each further one takes seconds
)


@pytest.fixture(scope="module")
def web(triton: TritonServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=triton.http_url, timeout=LONGEST_S, trust_env=False) as web:
        yield web


@pytest.fixture(scope="module")
def talk(sample: Path) -> dict[str, bytes]:
    """A second in which somebody speaks, as each kind of file."""
    return recordings(decode_audio(sample.read_bytes(), 60.0).samples[8 * 16_000 : 9 * 16_000])


@pytest.fixture(scope="module")
def quiet(sample: Path) -> dict[str, bytes]:
    """A second in which nobody does, which Whisper need not hear."""
    return recordings(decode_audio(sample.read_bytes(), 60.0).samples[:16_000])


@pytest.fixture(autouse=True, scope="module")
def _unharmed(triton: TritonServer, web: httpx.Client, talk: dict[str, bytes]) -> Iterator[None]:
    at_once(lambda kind: infer(web, "transcription", talk[kind], CHEAP), list(CODECS))
    stubs, before = Stubs(triton._process.pid), taken(triton)
    yield
    until = time.monotonic() + 60
    while counts(triton, IN_FLIGHT)[""] and time.monotonic() < until:
        time.sleep(0.1)
    assert counts(triton, IN_FLIGHT)[""] == 0
    assert Stubs(triton._process.pid).models == stubs.models
    after = taken(triton)
    assert {name for name in MORE if after[name] > before[name] + MORE[name]} == set(), (before, after)
    with Client(triton.http_url) as client:
        assert all(client.server_info().models.values())
        assert client.transcribe(silence(1)).transcription_info.language == "silence"


def test_damaged_recordings(web: httpx.Client, talk: dict[str, bytes], quiet: dict[str, bytes]) -> None:
    def ask(number: int) -> httpx.Response:
        kind, files = list(CODECS)[number % len(CODECS)], quiet if number % 4 else talk
        return infer(web, "transcription", damaged(files, kind, number), CHEAP)

    replies = at_once(ask, range(INPUTS))
    assert {number: strange for number, reply in enumerate(replies) if (strange := strangeness(reply))} == {}
    assert {reply.status_code for reply in replies} == {200, 400}


@fuzzed
@given(data=st.data(), model=st.sampled_from(sorted(OPTIONS)))
def test_options(web: httpx.Client, data: st.DataObject, model: str) -> None:
    asked = data.draw(st.lists(options(model), min_size=AT_ONCE, max_size=AT_ONCE))
    replies = at_once(lambda parameters: infer(web, model, silence(0.5), parameters), asked)
    assert list(filter(None, map(strangeness, replies))) == []


@fuzzed
@given(
    asked=st.lists(bodies(), min_size=AT_ONCE, max_size=AT_ONCE),
    call=st.sampled_from(
        [f"{model}/generate" for model in OPTIONS] + ["diarized_asr_stream/generate_stream"]
    ),
)
def test_bodies(web: httpx.Client, asked: list[bytes], call: str) -> None:
    replies = at_once(lambda body: web.post(f"/v2/models/{call}", content=body), asked)
    assert list(filter(None, map(strangeness, replies))) == []


def at_once(ask: Callable[[Item], httpx.Response], items: Sequence[Item]) -> list[httpx.Response]:
    """Ask for all, some at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, items))


def infer(web: httpx.Client, model: str, upload: bytes, parameters: dict[str, Any]) -> httpx.Response:
    """Send a recording as it is, behind the JSON that says what is wanted."""
    audio = {"name": "AUDIO", "shape": [1], "datatype": "BYTES"}
    audio["parameters"] = {"binary_data_size": 4 + len(upload)}
    result = {"name": "RESULT", "parameters": {"binary_data": False}}
    head = json.dumps({"parameters": parameters, "inputs": [audio], "outputs": [result]}).encode()
    return web.post(
        f"/v2/models/{model}/infer",
        content=head + len(upload).to_bytes(4, "little") + upload,
        headers={"Inference-Header-Content-Length": str(len(head))},
    )


def strangeness(reply: httpx.Response) -> str:
    """Return what is wrong with a reply; nothing where it is an answer, or tells the caller their mistake."""
    is_refused_by_triton = any(words in reply.text for words in OF_TRITON.get(reply.status_code, ()))
    is_known = reply.status_code in (200, 400, 404, 499, 503, 504) or is_refused_by_triton
    if isinstance(server_error(reply.text), InternalError) or not is_known:
        return f"{reply.status_code}: {reply.text[:1_000]}"
    return ""


def taken(triton: TritonServer) -> dict[str, float]:
    """Return what the server takes up, with all of its processes."""
    processes = [triton._process.pid, *descendants(triton._process.pid)]
    folders = [Path(f"/proc/{process}") for process in processes]
    return {
        "files": sum(len(list((folder / "fd").iterdir())) for folder in folders),
        "threads": sum(len(list((folder / "task").iterdir())) for folder in folders),
        "megabytes": memory_mb(processes),
    }
