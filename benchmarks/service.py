"""The service under measurement, and its `whisper` core called directly."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from tritonclient.grpc import InferenceServerClient, InferInput

from benchmarks.report import Value
from benchmarks.speech import Samples
from triologue import Client
from triologue_server.settings import OPERATOR_KEY_ENV, Settings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.transcription.processor import WhisperProcessor
from triologue_server.transcription.window import WINDOW_FRAMES, Hypothesis, WindowOptions
from triologue_server.triton.server import GRPC_KEY_HEADER, TritonServer

GRPC = "grpc://"

OPERATOR = {GRPC_KEY_HEADER: os.environ.setdefault(OPERATOR_KEY_ENV, secrets.token_hex(16))}
"""The header that lets us ask servers that know the same key for their statistics; those started here do."""

WhisperName = Annotated[str | None, typer.Option(help="Whisper model, instead of the profile's.")]
Url = Annotated[
    str | None,
    typer.Option(
        envvar=["TRIOLOGUE_GRPC_URL", "TRIOLOGUE_URL"],
        help="gRPC URL of a server that runs, with the settings of this environment; else one is started.",
    ),
]


def settings_for(whisper: str | None) -> Settings:
    """Return the settings of a server on free ports, with another Whisper model if one is named."""
    changes: dict[str, Any] = {"whisper": {"model": whisper}} if whisper else {}
    return Settings(http_port=0, grpc_port=0, metrics_port=0, **changes)


@contextmanager
def service(settings: Settings, url: str | None, console: Console) -> Iterator[str]:
    """Yield the gRPC URL of a server: the one at `url`, or one that runs as long as the context."""
    if url:
        if not url.startswith(GRPC):
            raise typer.BadParameter(f"{url} does not begin with {GRPC}")
        yield url
        return
    # Asked for first, since its message is plainer than Triton's.
    ModelStore(settings.models).require(resolve_whisper(settings.whisper.model))
    console.print("starting Triton")
    settings = settings.model_copy(update={"open_cores": True})
    with TritonServer(settings, on_output=console.print) as server:
        yield server.grpc_url


def described(settings: Settings) -> dict[str, Value]:
    """Return what the service and its peers compute with, as options of a report."""
    whisper = settings.whisper
    return {
        "whisper": whisper.model,
        "device": whisper.device,
        "compute_type": whisper.compute_type.value,
        "threads": whisper.threads,
    }


def triton_version(url: str) -> dict[str, str]:
    """Return the version of the server's Triton, by its name."""
    with Client(url) as client:
        return {"tritonserver": client.server_info().version}


class CoreClient:
    """The `whisper` core over gRPC: samples in, what they say out. Threads may share it.

    Args:
        url: Of the server, `grpc://`.
        processor: Of the model it serves.
        options: What to decode every window with.
    """

    def __init__(self, url: str, processor: WhisperProcessor, options: WindowOptions) -> None:
        self._client = InferenceServerClient(url.removeprefix(GRPC))
        self._processor = processor
        self._options = np.array([[options.model_dump_json(exclude_unset=True).encode()]], object)

    def transcribe(self, samples: Samples) -> Hypothesis:
        """Transcribe a window."""
        spectrogram = self._processor.spectrogram(samples)
        features = spectrogram[: spectrogram.frames]
        frames = features.shape[1]
        full = np.pad(features, [(0, 0), (0, WINDOW_FRAMES - frames)])
        inputs = [
            _tensor("FEATURES", "FP32", full[None]),
            _tensor("NUM_FRAMES", "INT32", np.array([[frames]], np.int32)),
            _tensor("OPTIONS", "BYTES", self._options),
        ]
        (answer,) = self._client.infer("whisper", inputs).as_numpy("HYPOTHESIS")[0]
        return Hypothesis.model_validate_json(answer)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _tensor(name: str, datatype: str, array: NDArray[Any]) -> InferInput:
    tensor = InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor
