"""Where Triton has placed an instance of a core, going by what `initialize` is told."""

from collections.abc import Mapping

from triologue_server.settings import Device


def gpu_of(args: Mapping[str, str]) -> int:
    """Return the number of the GPU that an instance is to compute on; 0 if it is placed on the CPU."""
    return int(args["model_instance_device_id"]) if _on_gpu(args) else 0


def torch_device_of(args: Mapping[str, str], device: Device) -> str:
    """Return the device that an instance is to compute on, in PyTorch's words: "cpu", or such as "cuda:1".

    Args:
        args: What `initialize` is told.
        device: What is set. With `auto`, a GPU that Triton sees and PyTorch cannot use is left alone.
    """
    if not _on_gpu(args) or (device == "auto" and not _torch_has_gpus()):
        return "cpu"
    return f"cuda:{gpu_of(args)}"


def _torch_has_gpus() -> bool:
    import torch  # the other cores do without

    return torch.cuda.is_available()


def _on_gpu(args: Mapping[str, str]) -> bool:
    return args["model_instance_kind"] == "GPU"
