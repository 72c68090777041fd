"""The unary models, asked as any caller of Triton's asks them: without the client."""

import json
from collections.abc import Mapping

import httpx
import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from triologue.protocol.request import Pipeline
from triologue.schema import (
    DeadlineExceeded,
    DiarizationResult,
    DiarizedTranscriptionResult,
    InternalError,
    TranscriptionResult,
    TriologueError,
    server_error,
)
from triologue.schema.parameters import Scalar

Answer = TranscriptionResult | DiarizationResult

ANSWERS: Mapping[Pipeline, type[Answer]] = {
    "transcription": TranscriptionResult,
    "diarization": DiarizationResult,
    "diarized_asr": DiarizedTranscriptionResult,
}
"""What each model answers."""

LENGTH_BYTES = 4
"""In front of the bytes of a tensor."""


async def ask_http(
    url: str, model: Pipeline, audio: bytes, parameters: Mapping[str, Scalar], timeout_s: float
) -> Answer:
    """Ask by HTTP, with the recording as it is behind the JSON.

    Raises:
        TriologueError: The server refuses or fails.
    """
    headers, body = http_request(audio, parameters)
    async with httpx.AsyncClient(timeout=timeout_s, trust_env=False) as client:
        try:
            answer = await client.post(f"{url}/v2/models/{model}/infer", content=body, headers=headers)
        except httpx.TimeoutException as error:
            raise DeadlineExceeded(f"no answer within {timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise InternalError(f"the connection broke off: {error!r}") from error
    if not answer.is_success:
        text = answer.json()["error"]
        raise server_error(text) or InternalError(text)
    (output,) = answer.json()["outputs"]
    return ANSWERS[model].model_validate_json(output["data"][0])


def http_request(audio: bytes, parameters: Mapping[str, Scalar]) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a request: a JSON head, then the recording."""
    size = LENGTH_BYTES + len(audio)
    tensor = {"name": "AUDIO", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
    output = {"name": "RESULT", "parameters": {"binary_data": False}}
    head = json.dumps({"parameters": dict(parameters), "inputs": [tensor], "outputs": [output]}).encode()
    headers = {
        "Inference-Header-Content-Length": str(len(head)),
        "Content-Type": "application/octet-stream",
        "Content-Length": str(len(head) + size),
    }
    return headers, b"".join((head, len(audio).to_bytes(LENGTH_BYTES, "little"), audio))


async def ask_grpc(
    url: str, model: Pipeline, audio: bytes, parameters: Mapping[str, Scalar], timeout_s: float
) -> Answer:
    """Ask by gRPC.

    Raises:
        TriologueError: The server refuses or fails.
    """
    tensor = InferInput("AUDIO", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([audio], object))
    async with InferenceServerClient(url.removeprefix("grpc://")) as client:
        try:
            answer = await client.infer(
                model, [tensor], client_timeout=timeout_s, parameters=dict(parameters)
            )
        except InferenceServerException as error:
            raise _typed(error) from error
    return ANSWERS[model].model_validate_json(answer.as_numpy("RESULT")[0])


def _typed(error: InferenceServerException) -> TriologueError:
    if error.status() == "StatusCode.DEADLINE_EXCEEDED":
        return DeadlineExceeded(error.message())
    return server_error(error.message()) or InternalError(error.message())
