"""The public unary models: one thin proxy of the stream model, under three names.

Triton runs one request at a time in an instance of a Python model that is not decoupled, and plain `infer`
cannot call a decoupled one. So each instance waits for one recording at a time, and does nothing else.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import triton_python_backend_utils as pb_utils

from triologue.schema import (
    CallParams,
    Cancelled,
    InternalError,
    InvalidOption,
    StreamParams,
    server_error,
)
from triologue_server.triton import observing
from triologue_server.triton.errors import error_response
from triologue_server.triton.parameters import parameters_of

CONDUCTOR = "diarized_asr_stream"


class UnaryProxy:
    """Answers a request with the last event of the stream."""

    pipeline: ClassVar[str]
    """Which answer of the stream the model gives."""

    def initialize(self, args: dict[str, str]) -> None:
        """Prepare to keep the last few streams of the conductor."""
        observing.begin(args["model_name"])
        # A thread of Triton's stub lets go of a stream soon after its end, without holding Python's lock.
        # Were its reference the last, it would free Python objects, which crashes on Python 3.12 and is a
        # race on every other. So ours is the last: it outlives a few further requests.
        self._ended: deque[object] = deque(maxlen=8)

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
        event: dict[str, Any] = {}
        call_id, was_called_off = uuid4().hex, False
        audio = pb_utils.get_input_tensor_by_name(request, "AUDIO")
        for response in self._call(audio, self._parameters(request, call_id), request.request_id()):
            if response.has_error():
                event = {"error": response.error().message()}
            elif (tensor := pb_utils.get_output_tensor_by_name(response, "EVENT")) is not None:
                event = json.loads(tensor.as_numpy()[0])
            elif request.is_cancelled() and not was_called_off:
                # A stream of BLS cannot be cancelled: another call asks for that.
                was_called_off = True
                for _ in self._call(pb_utils.Tensor("AUDIO", np.array([b""], object)), {"cancels": call_id}):
                    pass
        if "result" in event:
            return json.dumps(event["result"], ensure_ascii=False).encode()
        text = event.get("error", "the stream ended without a result")
        raise server_error(text) or InternalError(text)

    def _call(
        self, audio: pb_utils.Tensor, parameters: dict[str, bool | int | str], request_id: str = ""
    ) -> Iterator[Any]:
        """Call the conductor, and yield what it replies."""
        request = pb_utils.InferenceRequest(
            request_id=request_id,
            model_name=CONDUCTOR,
            requested_output_names=["EVENT"],
            inputs=[audio],
            parameters=parameters,
        )
        responses = request.exec(decoupled=True)
        self._ended.append(responses)
        yield from responses

    def _parameters(self, request: pb_utils.InferenceRequest, call_id: str) -> dict[str, bool | int | str]:
        """Return what to ask the conductor for.

        Raises:
            InvalidOption: A parameter is of the stream model alone.
        """
        own: dict[str, bool | int | str] = {
            "pipeline": self.pipeline,
            "events": "result",
            "heartbeat": True,
            "errors": "event",  # within Triton, an error is lost that comes behind other replies
            "call_id": call_id,
        }
        if request.timeout():
            own["timeout_s"] = str(request.timeout() / 1e6)
        return {**own, **_given(request)}


def _given(request: pb_utils.InferenceRequest) -> dict[str, bool | int | str]:
    """Return a request's parameters, numbers with a fraction as text: BLS passes on none of those.

    Raises:
        InvalidOption: One of them is of the stream model alone, or they are not text.
    """
    given = parameters_of(request)
    for name in StreamParams.model_fields:
        if name in given and name not in CallParams.model_fields:
            raise InvalidOption(f"{name}: no such option; only {CONDUCTOR} takes it")
    return {name: json.dumps(value) if isinstance(value, float) else value for name, value in given.items()}
