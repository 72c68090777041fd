"""The public unary models: one thin proxy of the stream model, under three names.

Triton runs one request at a time in an instance of a Python model that is not decoupled, and plain `infer`
cannot call a decoupled one. So each instance waits for one recording at a time, and does nothing else.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import triton_python_backend_utils as pb_utils

from triologue.schema import (
    Cancelled,
    InternalError,
    InvalidOption,
    StreamParams,
    TriologueError,
    server_error,
)
from triologue_server.triton.errors import error_response

CONDUCTOR = "diarized_asr_stream"


class UnaryProxy:
    """Answers a request with the last event of the stream."""

    pipeline: ClassVar[str]
    """Which answer of the stream the model gives."""

    def initialize(self, args: dict[str, str]) -> None:
        """Prepare to keep the last few streams of the conductor."""
        # A thread of Triton's stub lets go of a stream soon after its end, without holding Python's lock.
        # Were its reference the last, it would free Python objects, which crashes on Python 3.12 and is a
        # race on every other. So ours is the last: it outlives a few further requests.
        self._ended: deque[object] = deque(maxlen=4)

    def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> list[pb_utils.InferenceResponse]:
        """Answer each request; Triton hands over one at a time."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: pb_utils.InferenceRequest) -> pb_utils.InferenceResponse:
        try:
            if request.is_cancelled():
                raise Cancelled("the caller went away")
            result = self._ask(request)
        except Exception as error:
            return error_response(error)
        return pb_utils.InferenceResponse([pb_utils.Tensor("RESULT", np.array([result], object))])

    def _ask(self, request: pb_utils.InferenceRequest) -> bytes:
        call = pb_utils.InferenceRequest(
            model_name=CONDUCTOR,
            requested_output_names=["EVENT"],
            inputs=[pb_utils.get_input_tensor_by_name(request, "AUDIO")],
            parameters={**_parameters(request), "pipeline": self.pipeline, "events": "result"},
        )
        event: dict[str, Any] | None = None
        error: TriologueError | None = None
        responses = call.exec(decoupled=True)
        self._ended.append(responses)
        for response in responses:
            if response.has_error():
                text = response.error().message()
                error = server_error(text) or InternalError(text)
            elif (tensor := pb_utils.get_output_tensor_by_name(response, "EVENT")) is not None:
                event = json.loads(tensor.as_numpy()[0])
        if error is not None:
            raise error
        if event is None:
            raise InternalError("the stream ended without a result")
        return json.dumps(event["result"], ensure_ascii=False).encode()


def _parameters(request: pb_utils.InferenceRequest) -> dict[str, bool | int | str]:
    """Return a request's parameters, numbers with a fraction as text: BLS passes on none of those.

    Raises:
        InvalidOption: One of them is of the stream model alone.
    """
    given = json.loads(request.parameters() or "{}")
    for name in StreamParams.model_fields:
        if name in given:
            raise InvalidOption(f"{name}: no such option; only {CONDUCTOR} takes it")
    return {name: json.dumps(value) if isinstance(value, float) else value for name, value in given.items()}
