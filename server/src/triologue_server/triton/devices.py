"""What this machine cannot compute, told before Triton starts.

CTranslate2 is asked for the diarization too: it counts the same GPUs as PyTorch, which takes seconds to load.
"""

from collections.abc import Collection, Sequence

from triologue_server.settings import Settings, WhisperSettings
from triologue_server.triton.launch_error import LaunchError


def check_devices(settings: Settings, served: Collection[str]) -> None:
    """Refuse GPUs that are not there, and a number format that Whisper's device does not compute in.

    Args:
        settings: How the models are set up.
        served: Names of the models that will be served; what is set for others does not matter.

    Raises:
        LaunchError: The message names the setting, and what there is instead.
    """
    whisper, diarization = settings.whisper, settings.diarization
    cores = {
        "whisper": ("whisper", whisper.device, whisper),
        "pyannote_segmentation": ("diarization.segmentation", diarization.device, diarization.segmentation),
        "speaker_embedding": ("diarization.embedding", diarization.device, diarization.embedding),
    }
    for name, (key, device, core) in cores.items():
        if name in served and device == "cuda":
            check_gpus(key, core.gpus, _count_gpus())
    if "whisper" in served:
        check_compute_type(whisper)


def check_gpus(key: str, gpus: Sequence[int], count: int) -> None:
    """Refuse GPUs that are not there.

    Args:
        key: That of the core's settings, such as `diarization.embedding`.
        gpus: Numbers of the GPUs that it runs on.
        count: How many this machine has.

    Raises:
        LaunchError: One of them is not there.
    """
    if count == 0:
        section, *_ = key.split(".")
        raise LaunchError(f"{section}.device: there is no CUDA GPU here, or its driver is missing or too old")
    for gpu in gpus:
        if gpu >= count:
            there = "only GPU 0" if count == 1 else f"only GPUs 0 to {count - 1}"
            raise LaunchError(f"{key}.gpus: there is no GPU {gpu} here, {there}")


def check_compute_type(whisper: WhisperSettings) -> None:
    """Refuse a number format that Whisper's device does not compute in.

    Raises:
        LaunchError: It is one; the message lists the others.
    """
    # Loads CTranslate2, as below; a server of other models does without.
    from ctranslate2 import get_supported_compute_types

    wanted = whisper.compute_type.value
    for index in whisper.gpus if whisper.device == "cuda" else (0,):
        supported = get_supported_compute_types(whisper.device, index)
        if wanted not in supported:
            device = f"GPU {index}" if whisper.device == "cuda" else "this CPU"
            others = ", ".join(sorted(supported))
            raise LaunchError(
                f"whisper.compute_type: {device} does not compute in {wanted}; it does in {others}"
            )


def _count_gpus() -> int:
    from ctranslate2 import get_cuda_device_count

    return int(get_cuda_device_count())
