"""The two tensors of a public model, as tritonclient wants them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from triologue.protocol import OUTPUT, Request
from triologue.schema import InternalError


def audio_tensor(request: Request[Any]) -> npt.NDArray[np.object_]:
    """Return the input tensor: one element, the encoded recording."""
    return np.array([request.audio], dtype=np.object_)


def output_bytes(reply: Any, model: str) -> bytes:
    """Return the one element of the output tensor.

    Raises:
        InternalError: The reply has no such output.
    """
    output = reply.as_numpy(OUTPUT)
    if output is None or output.size != 1:
        raise InternalError(f"the model {model!r} answered without the output {OUTPUT}")
    return bytes(output.item())
