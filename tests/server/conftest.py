"""One real Triton with the real models, shared by every test of a run."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.server.observed import Observed, observe
from triologue import Client
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.triton.server import TritonServer


@pytest.fixture(scope="session")
def triton() -> Iterator[TritonServer]:
    small = {
        "limits": {
            "upload_mb": 8,
            "audio_hours": 0.05,
            "recordings_in_flight": 8,
            "recordings_waiting": 4,
        },
        "service": {"diarization": {"concurrency": 2, "queue": 2}},
    }
    with TritonServer(Settings(http_port=0, grpc_port=0, metrics_port=0, open_cores=True, **small)) as server:
        yield server


@pytest.fixture(scope="session")
def batched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server whose cores compute in batches, and of whose Whisper, a folder of a user's, there are two."""
    folder = tmp_path_factory.mktemp("own") / "whisper"
    folder.symlink_to(ModelStore().require(resolve_whisper("base")))
    batches = {"max_batch_size": 3, "queue_delay_ms": 100}
    settings = Settings(
        http_port=0,
        grpc_port=0,
        metrics_port=0,
        open_cores=True,
        whisper={"model": str(folder), "instances": 2, "threads": 1, **batches},
        diarization={"segmentation": batches, "embedding": batches},
        service={"diarized_asr": {"concurrency": 1}, "diarization": {"concurrency": 1}},
    )
    with TritonServer(settings) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def client_url(request: pytest.FixtureRequest, triton: TritonServer) -> str:
    """The server, over each transport."""
    return triton.http_url if request.param == "http" else triton.grpc_url


@pytest.fixture
def client(client_url: str) -> Iterator[Client]:
    """A client over each transport."""
    with Client(client_url, timeout_s=120) as client:
        yield client


@pytest.fixture
def http(triton: TritonServer) -> Iterator[Client]:
    with Client(triton.http_url, timeout_s=120) as client:
        yield client


@pytest.fixture(scope="session")
def sample() -> Path:
    """pyannote.audio's sample: 30 seconds of two people on the phone; its reference turns lie beside it."""
    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "sample" / "sample.wav"


@pytest.fixture(scope="session")
def observed(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """What callers asked of a server, and what was seen of it."""
    return observe(sample, tmp_path_factory.mktemp("observed"))
