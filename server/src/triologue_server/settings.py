"""How the service is set up: a profile, and what environment variables and flags change in it.

A profile is a TOML file in `profiles/`. Every field can be changed by an environment variable named after its
path, such as `TRIOLOGUE_WHISPER__MODEL=small` or `TRIOLOGUE_LIMITS__AUDIO_HOURS=2`; flags of
`triologue-server serve` become the same variables. The processes of the Triton models read their settings
from the environment they inherit, so all of them agree.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from triologue.schema import WhisperComputeType
from triologue_server.store import default_root

ENV_PREFIX = "TRIOLOGUE_"
ENV_DELIMITER = "__"
PROFILE_ENV = f"{ENV_PREFIX}PROFILE"
OPERATOR_KEY_ENV = f"{ENV_PREFIX}OPERATOR_KEY"

PROFILES = Path(__file__).parent / "profiles"


def _all_cores(threads: int) -> int:
    return threads or len(os.sched_getaffinity(0))


def _listed(gpus: object) -> object:
    # A variable holds "0,1", or "[0, 1]" as `to_environment` writes it.
    if not isinstance(gpus, str):
        return gpus
    text = gpus.strip("[] ")
    return text.split(",") if text else []


def _each_once(gpus: tuple[int, ...]) -> tuple[int, ...]:
    if not gpus or len(set(gpus)) < len(gpus):
        raise PydanticCustomError("gpus", "it must list one GPU or more, each once")
    return gpus


Threads = Annotated[int, Field(ge=0, le=1024), AfterValidator(_all_cores)]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16", "float16"]
Gpus = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...], NoDecode, BeforeValidator(_listed), AfterValidator(_each_once)
]
Port = Annotated[int, Field(ge=0, le=65_535)]
LogLevel = Literal["error", "warning", "info", "verbose"]
LogFormat = Literal["text", "json"]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), use_attribute_docstrings=True
    )


class CoreSettings(_Section):
    """How Triton runs a batchable core."""

    instances: int = Field(ge=1, le=64)
    """Processes that run the model, on each of its GPUs; each has its own copy of the weights."""
    gpus: Gpus = (0,)
    """Numbers of the GPUs that it runs on, where it runs on GPUs."""
    max_batch_size: int = Field(ge=1, le=256)
    """Requests joined into one execution at most."""
    queue_delay_ms: int = Field(ge=0, le=10_000)
    """How long a request may wait for others to share a batch with, in milliseconds."""


class WhisperSettings(CoreSettings):
    """The Whisper model."""

    model: str
    """A size of faster-whisper, a CTranslate2 model on Hugging Face, or a folder with one."""
    device: Literal["cpu", "cuda"]
    """Where it computes."""
    compute_type: WhisperComputeType
    """Number format of CTranslate2."""
    threads: Threads
    """CPU threads, shared by its instances; 0 means one for every core."""
    workers: int = Field(ge=0, le=1024)
    """Batches that an instance works on side by side, by an equal share of its threads each; 0 means one for
    every thread on a CPU, and one on a GPU."""

    @property
    def threads_of_instance(self) -> int:
        """CPU threads of each instance."""
        return max(1, self.threads // self.instances)

    @property
    def workers_of_instance(self) -> int:
        """Batches that each instance works on side by side; it has a thread for each at least."""
        by_default = self.threads_of_instance if self.device == "cpu" else 1
        return min(self.workers or by_default, self.threads_of_instance)


class DiarizationSettings(_Section):
    """The speaker diarization pipeline."""

    pipeline: str
    """`embedded`, the name of a pyannote pipeline on Hugging Face, or a folder with one."""
    device: Device
    """Where its networks compute; `auto` means on GPUs where there are some."""
    precision: Precision
    """Number format of its networks; one of 16 bits is faster where the hardware has it."""
    threads: Threads
    """CPU threads of each of its two networks, shared by its instances; 0 means one for every core.

    Each works on a batch of its own.
    """
    segmentation: CoreSettings
    """The segmentation network."""
    embedding: CoreSettings
    """The embedding network."""


class Limits(_Section):
    """What one caller, or all of them together, may ask for."""

    upload_mb: int = Field(ge=1)
    """Largest upload, in megabytes."""
    audio_hours: float = Field(gt=0.0)
    """Longest recording, in hours."""
    windows_in_flight: int = Field(ge=1, le=1024)
    """Whisper windows of one recording that are being worked on at once."""
    spans_in_flight: int = Field(ge=1, le=1024)
    """Diarization spans of one recording that each network works on at once."""
    recordings_in_flight: int = Field(ge=1, le=4096)
    """Recordings worked on at once."""
    recordings_waiting: int = Field(ge=0, le=65536)
    """Recordings that may wait for their turn; further ones are refused."""
    uploads_mb: int = Field(ge=1)
    """Uploads of all recordings that are worked on or wait, in megabytes, `upload_mb` at least."""
    audio_hours_in_flight: float = Field(gt=0.0)
    """Decoded audio of all recordings that are worked on, in hours, `audio_hours` at least."""
    decoders: int = Field(ge=1, le=256)
    """Uploads decoded at once; each takes a process of its own."""
    decode_seconds: float = Field(gt=0.0)
    """How long the decoding of an upload may take, in seconds."""
    core_queue: int = Field(ge=1)
    """Requests that may wait for a core."""

    @property
    def upload_bytes(self) -> int:
        """Largest upload, in bytes."""
        return self.upload_mb * 1_000_000

    @property
    def uploads_bytes(self) -> int:
        """Largest sum of uploads, in bytes."""
        return max(self.uploads_mb, self.upload_mb) * 1_000_000


class PublicModelSettings(_Section):
    """A public unary model."""

    concurrency: int = Field(ge=1, le=1024)
    """Requests served at once; each takes a process of its own."""
    queue: int = Field(ge=1)
    """Requests that may wait; further ones are refused."""


class ServiceSettings(_Section):
    """The public unary models."""

    diarized_asr: PublicModelSettings
    transcription: PublicModelSettings
    diarization: PublicModelSettings


class Settings(BaseSettings):
    """Everything about a server, validated."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )

    profile: str = "embedded"
    """Name of a file in `profiles/`, or path of a TOML file like them."""
    models: Annotated[Path, AfterValidator(Path.expanduser)] = Field(default_factory=default_root)
    """Folder the model weights are kept in; without it, one in the user's cache."""
    model_repository: Path | None = None
    """Folder of the Triton models; without it, the one in the source tree."""
    host: str = "127.0.0.1"
    """Address to listen on; nothing but this machine can reach the default."""
    http_port: Port = 8000
    """Port of HTTP; 0 picks a free one, here and below."""
    grpc_port: Port = 8001
    """Port of gRPC."""
    metrics_port: Port = 8002
    """Port of the Prometheus metrics."""
    log_level: LogLevel = "warning"
    """How much Triton and the models say; from `info` on there is a line for each recording."""
    log_format: LogFormat = "text"
    """Lines for people, or a JSON object a line."""
    grace_s: int = Field(default=30, ge=0, le=86_400)
    """How long what has come in may take to be answered when the server stops, in seconds."""
    open_cores: bool = False
    """Whether the cores answer callers too, past all limits, to measure them or use them by themselves."""
    operator_key: SecretStr | None = Field(default=None, min_length=16)
    """What opens Triton's statistics, logging, tracing and the like, as the header `triologue-key`
    over HTTP and `triton-grpc-protocol-triologue-key` over gRPC; without one they are closed to everybody."""

    whisper: WhisperSettings
    diarization: DiarizationSettings
    limits: Limits
    service: ServiceSettings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the profile's file beneath arguments and environment."""
        name = init_settings().get("profile") or os.environ.get(PROFILE_ENV) or "embedded"
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, profile_path(name))

    def to_environment(self) -> dict[str, str]:
        """Return environment variables from which the same settings are read, but for the operator's key."""
        return dict(_flatten(ENV_PREFIX, self.model_dump(mode="json", exclude={"operator_key"})))


def profile_path(name: str) -> Path:
    """Find the file of a profile.

    Raises:
        ValueError: There is none of that name.
    """
    for path in (PROFILES / f"{name}.toml", Path(name)):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in PROFILES.glob("*.toml")))
    raise ValueError(f"no profile {name!r}; there are {known}, or give the path of a TOML file")


def _flatten(prefix: str, values: dict[str, Any]) -> Any:
    for name, value in values.items():
        key = f"{prefix}{name.upper()}"
        if isinstance(value, dict):
            yield from _flatten(f"{key}{ENV_DELIMITER}", value)
        elif value is not None:
            yield key, str(value)
