"""Memory that runs out is told as such, and a batch that is too large for it is tried again with less."""

import errno
import subprocess
import sys
import textwrap
from collections.abc import Callable

import numpy as np
import pytest
import torch

from triologue.schema import InvalidOption, ServerOverloaded, TriologueError, server_error
from triologue_server.loading import ModelNotLoaded, loading
from triologue_server.memory import in_halves, overloaded, shortage
from triologue_server.store import UnknownModel

GPU = "the GPU is out of memory"
SERVER = "the server is out of memory"
SHARED = "the shared memory of the server is full"
TRITON = (
    "Failed to increase the shared memory pool size for key 'triologue_1_2' to 22020096 bytes. If you are "
    "running Triton inside docker, use '--shm-size' flag to control the shared memory region size. Error: No "
    "space left on device"
)


class TritonModelException(Exception):
    """Stands for that of Triton's Python backend, which exists in its processes alone."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("CUDA failed with error out of memory"), GPU),
        (RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"), GPU),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total of"), GPU),
        (RuntimeError("mkl_malloc: failed to allocate memory"), SERVER),
        (MemoryError("std::bad_alloc"), SERVER),
        (MemoryError(), SERVER),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), SERVER),
        (TritonModelException(TRITON), SHARED),
        (RuntimeError("CUDA failed with error no CUDA-capable device is detected"), None),
        (ValueError("initial_prompt: 'we ran out of memory'"), None),
        (InvalidOption("language: no such language"), None),
    ],
)
def test_what_is_out_of_memory_is_told_by_the_error(error: Exception, told: str | None) -> None:
    assert shortage(error) == told
    answer = overloaded(error)
    assert (answer and answer.to_wire()) == (told and f"OVERLOADED: {told}; try again later")


@pytest.mark.parametrize(
    "work",
    [
        lambda: np.zeros(1 << 60, np.uint8),
        lambda: torch.zeros(1 << 60, dtype=torch.uint8),
    ],
)
def test_what_the_libraries_raise_is_recognised(work: Callable[[], object]) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        work()
    assert shortage(caught.value) == SERVER


def test_what_triton_says_of_its_shared_memory_is_worth_another_try() -> None:
    error = server_error(TRITON)
    assert isinstance(error, ServerOverloaded)
    assert "--shm-size" in error.message


class Device:
    """Computes squares, as many at once as fit; each batch that was tried is written down."""

    def __init__(self, room: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.room = room
        self.error = error
        self.tried: list[int] = []

    def compute(self, rows: list[int]) -> list[int | TriologueError]:
        self.tried.append(len(rows))
        if len(rows) > self.room:
            raise self.error("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return [row * row for row in rows]


def test_a_batch_that_fits_is_computed_at_once() -> None:
    device = Device(room=8)
    assert in_halves(device.compute)([1, 2, 3]) == [1, 4, 9]
    assert device.tried == [3]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_a_batch_that_does_not_fit_is_computed_in_halves(error: type[Exception]) -> None:
    device = Device(4, error)
    assert in_halves(device.compute)(list(range(7))) == [0, 1, 4, 9, 16, 25, 36]
    assert device.tried == [7, 3, 4]


def test_the_half_that_does_not_fit_is_refused_and_the_other_is_answered() -> None:
    device = Device(room=1)
    first, *others = in_halves(device.compute)([5, 6, 7])
    assert first == 25
    assert [type(other) for other in others] == [ServerOverloaded] * 2
    assert str(others[0]) == f"{GPU}; try again later"
    assert device.tried == [3, 1, 2]


def test_a_single_row_has_a_second_try() -> None:
    device = Device(room=0)
    (answer,) = in_halves(device.compute)([5])
    assert isinstance(answer, ServerOverloaded)
    assert device.tried == [1, 1]


def test_a_row_that_is_answered_with_an_error_is_not_computed_again() -> None:
    refusal, tried = InvalidOption("beam_size: too many"), []

    def compute(rows: list[int]) -> list[int | TriologueError]:
        tried.append(rows)
        return [refusal for _ in rows]

    assert in_halves(compute)([1, 2]) == [refusal, refusal]
    assert tried == [[1, 2]]


def test_another_error_is_left_alone() -> None:
    device = Device(0, IndexError)
    with pytest.raises(IndexError):
        in_halves(device.compute)([1, 2])
    assert device.tried == [2]


def test_the_gpu_gets_back_what_pytorch_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a GPU there is nothing to empty: what is called is all that can be looked at.
    given_back = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given_back.append(sys.exc_info()[1]))
    in_halves(Device(room=1).compute)([1, 2])
    # No error is being handled, whose frames would still hold tensors.
    assert given_back == [None]


def test_the_log_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    in_halves(Device(room=2).compute)([1, 2, 3])
    assert f"{GPU} with a batch of 3: a smaller model or max_batch_size, " in caplog.text
    assert "`triologue-server tune`" in caplog.text
    assert "Tried to allocate 20.00 MiB" in caplog.text


def test_a_process_without_pytorch_does_not_load_it() -> None:
    script = """
        import sys
        from triologue_server.memory import in_halves
        def compute(rows):
            raise RuntimeError("CUDA failed with error out of memory")
        print([answer.to_wire() for answer in in_halves(compute)([1])], "torch" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.stdout.strip() == f"['OVERLOADED: {GPU}; try again later'] False", done.stderr


def test_a_model_that_does_not_fit_is_named_with_what_to_change() -> None:
    with pytest.raises(ModelNotLoaded) as caught, loading("Whisper's /models/model.bin"):
        raise RuntimeError("CUDA failed with error out of memory")
    assert str(caught.value) == (
        f"Whisper's /models/model.bin does not fit, {GPU}: take a smaller model or compute type, fewer "
        "instances or a smaller max_batch_size, as `triologue-server tune` finds them "
        "(RuntimeError: CUDA failed with error out of memory)"
    )


def test_a_model_that_is_damaged_is_named_with_how_to_mend_it() -> None:
    with (
        pytest.raises(
            ModelNotLoaded, match=r"^a\.bin cannot be loaded \(RuntimeError: File a is cut\): .*fetch"
        ),
        loading("the pipeline"),
        loading("a.bin"),
    ):
        raise RuntimeError("File a\nis cut")


@pytest.mark.parametrize("error", [UnknownModel("no such model"), ValueError("not this compute type")])
def test_an_error_that_says_it_all_is_left_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, loading("Whisper"):
        raise error
    assert caught.value is error
