"""Write the model repository that Triton loads: the one in the source tree, with the settings applied."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from triologue_server.settings import CoreSettings, Device, PublicModelSettings, Settings
from triologue_server.triton.launch_error import LaunchError

CONFIG = "config.pbtxt"
CHECKOUT = Path(__file__).parents[4]

_KINDS: Mapping[Device, int] = {
    "auto": ModelInstanceGroup.KIND_AUTO,
    "cpu": ModelInstanceGroup.KIND_CPU,
    "cuda": ModelInstanceGroup.KIND_GPU,
}


def find_repository(settings: Settings) -> Path:
    """Return the folder with the models' folders: the one that is set, or the one of the source tree.

    Raises:
        LaunchError: There is none.
    """
    folder = settings.model_repository or CHECKOUT / "model_repository"
    if not folder.is_dir():
        raise LaunchError(
            f"there is no model repository at {folder}: set TRIOLOGUE_MODEL_REPOSITORY to the folder "
            "`model_repository` of Triologue's source tree"
        )
    return folder.resolve()


def model_names(repository: Path) -> list[str]:
    """Return the names of the models in a repository.

    Raises:
        LaunchError: A folder in it is no model, or there is none at all.
    """
    folders = sorted(path for path in repository.iterdir() if path.is_dir() and path.name[0] != ".")
    for folder in folders:
        if not (folder / CONFIG).is_file():
            raise LaunchError(f"{folder} is no Triton model: it has no {CONFIG}")
    if not folders:
        raise LaunchError(f"there is no Triton model in {repository}")
    return [folder.name for folder in folders]


def write_repository(source: Path, target: Path, settings: Settings) -> list[str]:
    """Write the models of `source`, with the settings applied, to the folder `target`; return their names.

    Raises:
        LaunchError: A folder of `source` is no model that Triton could load.
    """
    names = model_names(source)
    for name in names:
        config = configure(read_config(source / name), settings)
        (target / name).mkdir(parents=True)
        (target / name / CONFIG).write_text(text_format.MessageToString(config), encoding="utf-8")
        for version in (source / name).iterdir():
            if version.name != CONFIG:
                (target / name / version.name).symlink_to(version)
    return names


def read_config(folder: Path) -> ModelConfig:
    """Read the configuration of the model in `folder`, which gives it its name.

    Raises:
        LaunchError: It is not valid.
    """
    try:
        config = text_format.Parse((folder / CONFIG).read_text(encoding="utf-8"), ModelConfig())
    except text_format.ParseError as error:
        raise LaunchError(f"{folder / CONFIG} is not valid: {error}") from error
    config.name = folder.name
    return config


def configure(config: ModelConfig, settings: Settings) -> ModelConfig:
    """Return a copy of a model's configuration with the settings of that model applied."""
    configured = ModelConfig()
    configured.CopyFrom(config)
    diarization, service = settings.diarization, settings.service
    match config.name:
        case "whisper":
            _set_core(configured, settings.whisper, settings.whisper.device, settings.limits.core_queue)
        case "pyannote_segmentation":
            _set_core(configured, diarization.segmentation, diarization.device, settings.limits.core_queue)
        case "speaker_embedding":
            _set_core(configured, diarization.embedding, diarization.device, settings.limits.core_queue)
        case "diarized_asr_stream":
            _tell(configured, settings)
        case "diarized_asr":
            _set_public(configured, service.diarized_asr)
        case "transcription":
            _set_public(configured, service.transcription)
        case "diarization":
            _set_public(configured, service.diarization)
    return configured


def _set_core(config: ModelConfig, core: CoreSettings, device: Device, queue: int) -> None:
    config.max_batch_size = core.max_batch_size
    config.dynamic_batching.max_queue_delay_microseconds = core.queue_delay_ms * 1_000
    config.dynamic_batching.default_queue_policy.max_queue_size = queue
    _set_instances(config, core.instances, _KINDS[device], core.gpus if device == "cuda" else ())


def _set_public(config: ModelConfig, public: PublicModelSettings) -> None:
    # Without batching this policy still bounds the queue.
    config.dynamic_batching.default_queue_policy.max_queue_size = public.queue
    _set_instances(config, public.concurrency, _KINDS["cpu"])


def _tell(config: ModelConfig, settings: Settings) -> None:
    """Put what a caller may want to know where Triton's API for configurations tells it."""
    told = {
        "whisper": _public_name(settings.whisper.model),
        "compute_type": settings.whisper.compute_type.value,
        "diarization": _public_name(settings.diarization.pipeline),
        "upload_mb": str(settings.limits.upload_mb),
        "audio_hours": f"{settings.limits.audio_hours:g}",
    }
    for name, value in told.items():
        config.parameters[name].string_value = value


def _public_name(model: str) -> str:
    """Return the name of a model; where a folder lies is nobody's business."""
    return Path(model).name if Path(model).is_dir() else model


def _set_instances(config: ModelConfig, count: int, kind: int, gpus: Sequence[int] = ()) -> None:
    """Ask for `count` instances, on each of the GPUs where they are on GPUs."""
    del config.instance_group[:]
    config.instance_group.add(count=count, kind=kind, gpus=gpus)
