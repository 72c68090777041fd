"""Where an instance computes, going by what Triton tells it."""

import pytest
import torch

from triologue_server.triton.placement import gpu_of, torch_device_of


@pytest.mark.parametrize(
    ("kind", "device_id", "gpu", "torch_device"),
    [("CPU", "0", 0, "cpu"), ("GPU", "0", 0, "cuda:0"), ("GPU", "3", 3, "cuda:3")],
)
def test_an_instance_computes_where_it_is_placed(
    kind: str, device_id: str, gpu: int, torch_device: str
) -> None:
    args = {"model_name": "whisper", "model_instance_kind": kind, "model_instance_device_id": device_id}
    assert gpu_of(args) == gpu
    assert torch_device_of(args, "cuda") == torch_device


def test_a_gpu_that_pytorch_cannot_use_is_left_alone() -> None:
    args = {"model_instance_kind": "GPU", "model_instance_device_id": "0"}
    assert torch_device_of(args, "auto") == ("cuda:0" if torch.cuda.is_available() else "cpu")
