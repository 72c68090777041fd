"""The three cores: what is set about each of them, and what follows from it."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from triologue_server.settings import CoreSettings, Device, DiarizationSettings, Settings
from triologue_server.tuning.candidates import Candidate, Space, cpu_space, gpu_space
from triologue_server.tuning.machine import Machine


class Core(str, Enum):
    """A core, by the name of its Triton model."""

    WHISPER = "whisper"
    SEGMENTATION = "pyannote_segmentation"
    EMBEDDING = "speaker_embedding"

    @property
    def key(self) -> str:
        """Where its settings are, such as `diarization.embedding`."""
        return _KEYS[self]


_KEYS = {
    Core.WHISPER: "whisper",
    Core.SEGMENTATION: "diarization.segmentation",
    Core.EMBEDDING: "diarization.embedding",
}


@dataclass(frozen=True)
class Placement:
    """Where the instances of a core are."""

    on_gpu: bool
    """Whether they are on GPUs."""
    times: int
    """How often there are as many as its `instances`: once for each GPU."""

    @classmethod
    def of(cls, core: Core, settings: Settings, machine: Machine) -> "Placement":
        """Return where a core will be on a machine."""
        device: Device = settings.whisper.device if core is Core.WHISPER else settings.diarization.device
        if device == "cuda":
            return cls(on_gpu=True, times=len(section_of(core, settings).gpus))
        on_gpu = device == "auto" and machine.cuda_gpus > 0
        return cls(on_gpu=on_gpu, times=machine.cuda_gpus if on_gpu else 1)


def section_of(core: Core, settings: Settings) -> CoreSettings:
    """Return what is set about how Triton runs a core."""
    found: Any = settings
    for name in core.key.split("."):
        found = getattr(found, name)
    section: CoreSettings = found
    return section


def candidate_of(core: Core, settings: Settings) -> Candidate:
    """Return what is set, as it is written: 0 workers stand for as many as there are by default."""
    section, whisper = section_of(core, settings), settings.whisper
    return Candidate(
        instances=section.instances,
        workers=whisper.workers if core is Core.WHISPER else 0,
        threads=whisper.threads if core is Core.WHISPER else settings.diarization.threads,
        max_batch_size=section.max_batch_size,
    )


def space_of(core: Core, settings: Settings, machine: Machine) -> Space:
    """Return the candidates of a core on a machine.

    The two networks of the diarization have their number of threads in common. Segmentation, which computes
    longer, chooses it.
    """
    has_workers = core is Core.WHISPER
    if Placement.of(core, settings, machine).on_gpu:
        return gpu_space(has_workers=has_workers)
    return cpu_space(
        machine.threads,
        machine.cores,
        has_workers=has_workers,
        may_set_threads=core is not Core.EMBEDDING,
    )


def calls_at_once(core: Core, settings: Settings, machine: Machine) -> int:
    """Return how many calls of a core are under way when it has all that it can do."""
    space = space_of(core, settings, machine)
    once = space.at_once(space.tidy(candidate_of(core, settings)))
    return once * Placement.of(core, settings, machine).times


def with_candidate(core: Core, settings: Settings, candidate: Candidate, **further: Any) -> Settings:
    """Return the settings with those of one core changed to a candidate.

    Args:
        core: Whose settings.
        settings: What is set so far.
        candidate: What to change it to.
        further: Other fields of the core's section, such as `queue_delay_ms`.
    """
    changes = {"instances": candidate.instances, "max_batch_size": candidate.max_batch_size, **further}
    if core is Core.WHISPER:
        changes |= {"workers": candidate.workers, "threads": candidate.threads}
        return settings.model_copy(update={"whisper": settings.whisper.model_copy(update=changes)})
    section = section_of(core, settings).model_copy(update=changes)
    name = core.key.split(".")[1]
    diarization: DiarizationSettings = settings.diarization.model_copy(
        update={name: section, "threads": candidate.threads}
    )
    return settings.model_copy(update={"diarization": diarization})


def with_limits(settings: Settings, **changes: int) -> Settings:
    """Return the settings with some of their limits changed."""
    return settings.model_copy(update={"limits": settings.limits.model_copy(update=changes)})
