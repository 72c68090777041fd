"""What the adapters of the three cores share: Triton requests in, rows of work out, and back."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Semaphore
from typing import Generic, TypeVar

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray
from opentelemetry.context import Context

from triologue.schema import InvalidOption, TriologueError
from triologue_server import tracing
from triologue_server.diarization.spans import HOP_UNIT, MAX_HOP, MIN_HOP, AudioOfSpan
from triologue_server.memory import in_halves
from triologue_server.triton import core_key
from triologue_server.triton.errors import error_response
from triologue_server.triton.parameters import parameters_of

_log = logging.getLogger(__name__)

Row = TypeVar("Row")
Answer = TypeVar("Answer")
Number = TypeVar("Number", np.int16, np.float32)


@dataclass(frozen=True)
class _Taken(Generic[Row]):
    """A request that has been read."""

    sender: pb_utils.InferenceResponseSender
    """Where it is answered."""
    rows: list[Row] | Exception
    """Its rows, or why there are none."""
    trace: Context | None
    """What its spans belong beneath, if it is traced."""


class RowServer(Generic[Row, Answer]):
    """Answers the requests of a core, each batch by one computation, and several batches at once.

    A request that cannot be read, or one of whose rows is answered with an error, gets that error; the others
    are answered all the same. A batch that there is not enough memory for is tried again in halves.

    Args:
        read: Returns the rows of a request, in memory of their own; raises `TriologueError`.
        compute: Returns an answer, or an error, for each row; for several threads at once.
        write: Makes the output tensor of a request out of its rows' answers.
        workers: How many batches are worked on at once.
    """

    def __init__(
        self,
        read: Callable[[pb_utils.InferenceRequest], list[Row]],
        compute: Callable[[list[Row]], Sequence[Answer | TriologueError]],
        write: Callable[[list[Answer]], pb_utils.Tensor],
        *,
        workers: int,
    ) -> None:
        self._read = read
        self._compute = in_halves(compute)
        self._write = write
        self._free = Semaphore(workers)
        self._pool = ThreadPoolExecutor(workers, "worker")

    def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> None:
        """Take the requests of a batch; returns when there is a free worker for the next one."""
        work = [self._taken(request) for request in requests]
        self._free.acquire()
        self._pool.submit(self._answer, work)
        # Triton takes an instance that has returned for idle, and would empty its queue into this one's.
        with self._free:
            pass

    def _taken(self, request: pb_utils.InferenceRequest) -> _Taken[Row]:
        """Read a request, while its tensors are there."""
        sender = request.get_response_sender()
        try:
            parameters = parameters_of(request)
            core_key.check(parameters)
            return _Taken(sender, self._read(request), tracing.parent_of(parameters))
        except Exception as error:  # one bad request must not fail its batch
            return _Taken(sender, error, None)

    def _answer(self, work: Sequence[_Taken[Row]]) -> None:
        """Compute and answer a batch."""
        started_ns = time.time_ns()
        try:
            responses = self._responses([taken.rows for taken in work])
        finally:
            self._free.release()
        for taken in work:
            if taken.trace is not None:
                tracing.record("computing", taken.trace, started_ns, {"batch.requests": len(work)})
        is_lost = False
        for taken, response in zip(work, responses, strict=True):
            try:
                taken.sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            except Exception as error:  # the others are to be answered all the same
                _log.error("an answer could not be sent", exc_info=error)
                is_lost = True
        if is_lost:
            # Triton takes no second answer, not even an error: who asked would wait for ever. The end of this
            # process is what the supervisor notices, and all who wait are told.
            os._exit(1)

    def _responses(self, rows_of: Sequence[list[Row] | Exception]) -> list[pb_utils.InferenceResponse]:
        rows = [row for some in rows_of if isinstance(some, list) for row in some]
        computed = _attempt(self._compute, rows) if rows else []
        if isinstance(computed, Exception):
            return [error_response(some if isinstance(some, Exception) else computed) for some in rows_of]
        answers = iter(computed)
        return [
            self._response(some if isinstance(some, Exception) else [next(answers) for _ in some])
            for some in rows_of
        ]

    def _response(
        self, answered: Sequence[Answer | TriologueError] | Exception
    ) -> pb_utils.InferenceResponse:
        if isinstance(answered, Exception):
            return error_response(answered)
        good: list[Answer] = []
        for answer in answered:
            if isinstance(answer, TriologueError):
                return error_response(answer)
            good.append(answer)
        tensor = _attempt(self._write, good)
        return (
            error_response(tensor) if isinstance(tensor, Exception) else pb_utils.InferenceResponse([tensor])
        )


def _attempt(work: Callable[[Row], Answer], argument: Row) -> Answer | Exception:
    try:
        return work(argument)
    except Exception as error:  # one bad request must not fail its batch
        return error


def array_of(request: pb_utils.InferenceRequest, name: str) -> NDArray[np.generic]:
    """Return an input tensor of a request, in memory that goes back with it."""
    array: NDArray[np.generic] = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
    return array


def audio_of(request: pb_utils.InferenceRequest) -> list[AudioOfSpan]:
    """Return the audio of each row of a request, without what fills it up, in memory of its own.

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
    """Return the spectrogram of each row of a request, (mels, frames), without what fills it up, copied.

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
    return [row[..., :count].copy() for row, count in zip(array, counts, strict=True)]


def text_tensor(name: str, texts: Sequence[str]) -> pb_utils.Tensor:
    """Make a BYTES tensor of one text a row."""
    return pb_utils.Tensor(name, np.array([[text.encode()] for text in texts], object))
