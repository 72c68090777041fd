"""Public model `diarized_asr_stream`: the conductor."""

from __future__ import annotations

from collections.abc import Sequence

import triton_python_backend_utils as pb_utils

from triologue_server.settings import Settings
from triologue_server.triton import observing
from triologue_server.triton.stream import StreamServer


class TritonPythonModel:
    """Hands requests to the stream server."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the diarization pipeline, without its weights."""
        observing.begin(args["model_name"])
        self._server = StreamServer(Settings())

    async def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> None:
        """Serve requests; Triton sends further ones meanwhile."""
        await self._server.execute(requests)

    def finalize(self) -> None:
        """Let the threads go."""
        self._server.close()
