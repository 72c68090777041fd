"""Memory that runs out, on a GPU or beside it: recognised, told to the caller, and tried again with less."""

import errno
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from triologue.schema import ServerOverloaded, TriologueError

_log = logging.getLogger(__name__)

Row = TypeVar("Row")
Answer = TypeVar("Answer")
Compute = Callable[[list[Row]], Sequence[Answer | TriologueError]]

# CTranslate2, PyTorch and the libraries of CUDA have no type in common but RuntimeError.
_GPU = ("out of memory", "alloc_failed")
_CPU = ("can't allocate memory", "failed to allocate memory", "bad_alloc")
# In the words of Triton's Python backend, which hands tensors from process to process in it.
_SHARED = (
    "failed to increase the shared memory pool",
    "failed to create new mapped region for the grown shared",
)


def shortage(error: BaseException) -> str | None:
    """Return which memory there is too little of, such as "the GPU is out of memory", or None."""
    text = str(error).lower()

    def says(words: Sequence[str]) -> bool:
        return any(word in text for word in words)

    if says(_SHARED):
        return "the shared memory of the server is full"
    if isinstance(error, RuntimeError) and says(_GPU):
        return "the GPU is out of memory"
    refused = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if refused or isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and says(_CPU)):
        return "the server is out of memory"
    return None


def overloaded(error: BaseException) -> ServerOverloaded | None:
    """Return what to tell a caller whose request failed for want of memory; None when it failed otherwise."""
    short = shortage(error)
    return ServerOverloaded(f"{short}; try again later") if short else None


def in_halves(compute: "Compute[Row, Answer]") -> "Compute[Row, Answer]":
    """Return a computation of batches that goes on when there is not enough memory for one.

    Its halves are tried one after the other then, and the rows of one that still does not fit are answered
    with `ServerOverloaded`.

    Args:
        compute: Returns an answer, or an error, for each row of a batch.
    """

    def compute_what_fits(rows: list[Row]) -> Sequence[Answer | TriologueError]:
        computed = _unless_short(compute, rows)
        if not isinstance(computed, ServerOverloaded):
            return computed
        middle = len(rows) // 2
        halves = [half for half in (rows[:middle], rows[middle:]) if half]
        return [answer for half in halves for answer in _answers(compute, half)]

    return compute_what_fits


def _answers(compute: "Compute[Row, Answer]", rows: list[Row]) -> Sequence[Answer | TriologueError]:
    computed = _unless_short(compute, rows)
    return [computed] * len(rows) if isinstance(computed, ServerOverloaded) else computed


def _unless_short(
    compute: "Compute[Row, Answer]", rows: list[Row]
) -> Sequence[Answer | TriologueError] | ServerOverloaded:
    try:
        return compute(rows)
    except Exception as error:
        told = overloaded(error)
        if told is None:
            raise
        _log.warning(
            "%s with a batch of %d: a smaller model or max_batch_size, fewer instances or workers need less; "
            "`triologue-server tune` finds what fits (%s)",
            shortage(error),
            len(rows),
            error,
        )
    # The error is gone by now, and with it what its frames held.
    _give_back()
    return told


def _give_back() -> None:
    """Give back the memory of GPUs that PyTorch keeps for later, where a process has loaded it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
