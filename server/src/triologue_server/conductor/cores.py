"""The three batchable cores, as the conductor calls them."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from triologue_server.transcription.processor import Features
from triologue_server.transcription.window import Hypothesis, WindowOptions


class Cores(Protocol):
    """Where the computing is done. Every method raises `TriologueError` when a core refuses or fails."""

    async def activity(self, span: NDArray[np.int16], hop: int) -> NDArray[np.uint8]:
        """Return who is active in the windows of a span: (`WINDOWS`, `FRAMES`, `SPEAKERS`) of 0 or 1.

        Args:
            span: (samples,), at most `SPAN_SAMPLES`.
            hop: From one window to the next, in samples.
        """

    async def embeddings(
        self, span: NDArray[np.int16], hop: int, activity: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Return the voices of a span: (windows, `SPEAKERS`, dimension).

        Args:
            span: (samples,), at most `SPAN_SAMPLES`.
            hop: From one window to the next, in samples.
            activity: (windows, `FRAMES`, `SPEAKERS`) of 0 or 1.
        """

    async def hypothesis(self, features: Features, options: WindowOptions) -> Hypothesis:
        """Return what a window says, in the window's time."""
