"""Whether the shared memory of this machine is enough, told before Triton starts.

Triton hands tensors to the processes of the models in /dev/shm. Each process has a region of its own there,
which grows with what goes through it and never shrinks. Docker gives a container 64 MB unless told otherwise.
"""

import os
from pathlib import Path

from rich.filesize import decimal
from tritonclient.grpc.model_config_pb2 import ModelConfig

from triologue_server.settings import Settings
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.repository import configure, find_repository, model_names, read_config

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108

_REGION = 1 << 20  # Triton gives so many bytes to every process, and grows a region by as many
_ROW = 1 << 20  # the features of a window, or the samples of a span
_PLACES_OF_A_ROW = 2  # in the region of the process that asks, and in that of the core
_PLACES_OF_AN_UPLOAD = 2  # in those of a unary model and of the conductor


def check_shared_memory(settings: Settings, folder: Path = SHARED_MEMORY) -> str | None:
    """Refuse to start with too little shared memory for the processes of the models.

    Args:
        settings: How the models are set up.
        folder: Where it is mounted.

    Returns:
        A warning where it is enough to start, but not for the largest upload.

    Raises:
        LaunchError: It is too little; the message says how to get more.
    """
    repository = find_repository(settings)
    models = [configure(read_config(repository / name), settings) for name in model_names(repository)]
    processes = sum(map(_processes, models))
    cores = [model for model in models if model.max_batch_size]
    batches = sum(model.max_batch_size * _processes(model) for model in cores)
    regions = processes * _REGION
    least = regions + len(cores) * _PLACES_OF_A_ROW * _ROW
    upload = settings.limits.upload_bytes
    comfortable = regions + batches * _PLACES_OF_A_ROW * _ROW + _PLACES_OF_AN_UPLOAD * upload
    free = _free(folder)
    if free is None or free >= comfortable:
        return None
    advice = _advice(folder, -(-comfortable // 10**9))
    if free < least:
        raise LaunchError(
            f"{folder} has {decimal(free)} free, and the {processes} processes of the models need "
            f"{decimal(least)} there: {advice}, or let fewer processes run (instances, service.*.concurrency)"
        )
    return (
        f"{folder} has {decimal(free)} free: an upload that does not fit is refused, and the largest "
        f"(limits.upload_mb, {decimal(upload)}) takes up to {decimal(comfortable)} with all else: {advice}"
    )


def _processes(model: ModelConfig) -> int:
    return sum(group.count * max(1, len(group.gpus)) for group in model.instance_group)


def _free(folder: Path) -> int | None:
    """Return the bytes that are free, or None where nothing bounds them."""
    try:
        status = os.statvfs(folder)
    except FileNotFoundError:
        raise LaunchError(f"there is no {folder}, in which Triton and the models exchange data") from None
    return status.f_bavail * status.f_frsize if status.f_blocks else None


def _advice(folder: Path, gigabytes: int) -> str:
    size = f"{gigabytes}g"
    return (
        f"give a container more (docker run --shm-size={size}; shm_size: {size} in a compose file; in "
        f"Kubernetes an emptyDir with medium: Memory at {folder}), or remount it (mount -o "
        f"remount,size={size} {folder})"
    )
