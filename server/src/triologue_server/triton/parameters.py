"""The parameters of a request, as Triton hands them over."""

from __future__ import annotations

import json
from typing import Any

import triton_python_backend_utils as pb_utils

from triologue.schema import InvalidOption


def parameters_of(request: pb_utils.InferenceRequest) -> dict[str, Any]:
    """Return the parameters of a request, and the headers that Triton puts among them.

    Raises:
        InvalidOption: They are not text.
    """
    try:
        return dict(json.loads(request.parameters() or "{}"))
    except UnicodeDecodeError:
        raise InvalidOption("parameters: they, or a header, are not UTF-8") from None
