"""Where Triton has placed an instance of a core, going by what `initialize` is told."""

from collections.abc import Mapping


def gpu_of(args: Mapping[str, str]) -> int:
    """Return the number of the GPU that an instance is to compute on; 0 if it is placed on the CPU."""
    return int(args["model_instance_device_id"]) if _on_gpu(args) else 0


def torch_device_of(args: Mapping[str, str]) -> str:
    """Return the device that an instance is to compute on, in PyTorch's words: "cpu", or such as "cuda:1"."""
    return f"cuda:{gpu_of(args)}" if _on_gpu(args) else "cpu"


def _on_gpu(args: Mapping[str, str]) -> bool:
    return args["model_instance_kind"] == "GPU"
