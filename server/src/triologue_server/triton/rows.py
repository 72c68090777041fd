"""What the adapters of the three cores share: Triton requests in, rows of work out, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triologue.schema import InvalidOption, TriologueError
from triologue_server.diarization.spans import HOP_UNIT, MAX_HOP, MIN_HOP, AudioOfSpan
from triologue_server.triton.errors import error_response

Row = TypeVar("Row")
Answer = TypeVar("Answer")
Number = TypeVar("Number", np.int16, np.float32)


def execute_rows(
    requests: Sequence[pb_utils.InferenceRequest],
    read: Callable[[pb_utils.InferenceRequest], list[Row]],
    compute: Callable[[list[Row]], Sequence[Answer | TriologueError]],
    write: Callable[[list[Answer]], pb_utils.Tensor],
) -> list[pb_utils.InferenceResponse]:
    """Answer all requests of a batch with one computation over their rows.

    A request that cannot be read, or one of whose rows is answered with an error, gets that error; the others
    are answered all the same.

    Args:
        requests: As Triton hands them to `execute`.
        read: Returns the rows of a request; raises `TriologueError`.
        compute: Returns an answer, or an error, for each row.
        write: Makes the output tensor of a request out of its rows' answers.
    """
    rows_of: list[list[Row] | Exception] = [_attempt(read, request) for request in requests]
    rows = [row for some in rows_of if isinstance(some, list) for row in some]
    computed = _attempt(compute, rows) if rows else []
    if isinstance(computed, Exception):
        return [error_response(some if isinstance(some, Exception) else computed) for some in rows_of]
    answers = iter(computed)
    return [
        _response(some if isinstance(some, Exception) else [next(answers) for _ in some], write)
        for some in rows_of
    ]


def _attempt(work: Callable[[Row], Answer], argument: Row) -> Answer | Exception:
    try:
        return work(argument)
    except Exception as error:  # one bad request must not fail its batch
        return error


def _response(
    answered: Sequence[Answer | TriologueError] | Exception,
    write: Callable[[list[Answer]], pb_utils.Tensor],
) -> pb_utils.InferenceResponse:
    if isinstance(answered, Exception):
        return error_response(answered)
    good: list[Answer] = []
    for answer in answered:
        if isinstance(answer, TriologueError):
            return error_response(answer)
        good.append(answer)
    tensor = _attempt(write, good)
    return error_response(tensor) if isinstance(tensor, Exception) else pb_utils.InferenceResponse([tensor])


def array_of(request: pb_utils.InferenceRequest, name: str) -> NDArray[np.generic]:
    """Return an input tensor of a request."""
    array: NDArray[np.generic] = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
    return array


def audio_of(request: pb_utils.InferenceRequest) -> list[AudioOfSpan]:
    """Return the audio of each row of a request, without what fills it up.

    Raises:
        InvalidOption: A number of samples does not fit, or a hop is none that the networks take.
    """
    hops = array_of(request, "HOP").astype(int)[:, 0]
    for hop in hops:
        if not MIN_HOP <= hop <= MAX_HOP or hop % HOP_UNIT:
            raise InvalidOption(f"HOP: {hop} is no multiple of {HOP_UNIT} from {MIN_HOP} to {MAX_HOP}")
    rows = _filled(request, "AUDIO", np.int16, "NUM_SAMPLES")
    return [AudioOfSpan(samples, int(hop)) for samples, hop in zip(rows, hops, strict=True)]


def features_of(request: pb_utils.InferenceRequest) -> list[NDArray[np.float32]]:
    """Return the spectrogram of each row of a request, (mels, frames), without what fills it up.

    Raises:
        InvalidOption: A number of frames does not fit, or a value is not a number.
    """
    rows = _filled(request, "FEATURES", np.float32, "NUM_FRAMES")
    if not all(np.isfinite(features).all() for features in rows):
        raise InvalidOption("FEATURES: some are infinite or not a number")
    return rows


def _filled(
    request: pb_utils.InferenceRequest, name: str, kind: type[Number], count_name: str
) -> list[NDArray[Number]]:
    array = array_of(request, name).astype(kind, copy=False)  # (rows, ..., length)
    counts = array_of(request, count_name).astype(int)[:, 0]
    for count in counts:
        if not 0 < count <= array.shape[-1]:
            raise InvalidOption(f"{count_name}: {count} is not from 1 to {array.shape[-1]}")
    return [row[..., :count] for row, count in zip(array, counts, strict=True)]


def text_tensor(name: str, texts: Sequence[str]) -> pb_utils.Tensor:
    """Make a BYTES tensor of one text a row."""
    return pb_utils.Tensor(name, np.array([[text.encode()] for text in texts], object))
