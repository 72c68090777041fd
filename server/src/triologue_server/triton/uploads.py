"""Uploads in the Python backend, which would keep a copy of each for as long as its request lives."""

from __future__ import annotations

import triton_python_backend_utils as pb_utils


def take_bytes(request: pb_utils.InferenceRequest, name: str) -> bytes:
    """Take the only element out of a BYTES tensor; the tensor is empty then."""
    elements = pb_utils.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)
    taken, elements[0] = elements[0], b""
    return bytes(taken)
