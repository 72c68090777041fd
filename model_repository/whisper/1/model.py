"""Core `whisper`: features of windows in, what they say out."""

from __future__ import annotations

from collections.abc import Sequence

import triton_python_backend_utils as pb_utils

from triologue.schema import InvalidOption
from triologue_server.settings import Settings
from triologue_server.store import ModelStore, resolve_whisper
from triologue_server.transcription.whisper import WhisperCore, WindowRequest
from triologue_server.transcription.window import Hypothesis, WindowOptions
from triologue_server.triton import observing
from triologue_server.triton.placement import gpu_of
from triologue_server.triton.rows import RowServer, array_of, features_of, text_tensor


class TritonPythonModel:
    """Tensors to windows, hypotheses to tensors."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the Whisper model."""
        observing.begin(args["model_name"])
        settings = Settings()
        folder = ModelStore(settings.models).require(resolve_whisper(settings.whisper.model))
        whisper = settings.whisper
        core = WhisperCore(folder, whisper, gpu=gpu_of(args))
        self._rows = RowServer(
            _read,
            core.transcribe,
            _write,
            workers=whisper.workers_of_instance,
        )

    def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> None:
        """Transcribe the windows of requests."""
        self._rows.execute(requests)


def _read(request: pb_utils.InferenceRequest) -> list[WindowRequest]:
    texts = array_of(request, "OPTIONS")[:, 0]
    return [
        WindowRequest(features, _options(text))
        for features, text in zip(features_of(request), texts, strict=True)
    ]


def _options(text: bytes) -> WindowOptions:
    try:
        return WindowOptions.model_validate_json(text)
    except ValueError as error:
        raise InvalidOption(f"OPTIONS: {error}") from None


def _write(hypotheses: list[Hypothesis]) -> pb_utils.Tensor:
    return text_tensor("HYPOTHESIS", [hypothesis.model_dump_json() for hypothesis in hypotheses])
