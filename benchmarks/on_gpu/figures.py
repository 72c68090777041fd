"""What the contenders took, as lines of a table, and what they should have taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.report import Goal, Row, Value

NOT_MEASURED = "not measured"

CORES = {
    "whisper": "whisper",
    "pyannote_segmentation": "segmentation",
    "speaker_embedding": "embedding",
}
"""The models of Triton that compute on the GPU, and what the table calls them."""

LEAST_RTFX = 1000.0
"""Seconds of audio in a second, by the service at its best."""
LEAST_RATIO = 5.0
"""Speed of the service at its best, as a multiple of the batched peer's."""

SERVICE = "service"
ONE_BY_ONE = "faster-whisper + pyannote"
BATCHED = "faster-whisper, batch 16, + pyannote"


@dataclass(frozen=True)
class Load:
    """What one contender was given, and what it took."""

    by: str
    """Who."""
    at_once: int
    """Recordings under way at once."""
    audio: float
    """Seconds of audio."""
    wall: float
    """Seconds from the first request to the last answer."""
    latencies: Sequence[float]
    """Of each recording, in seconds."""
    cpu: float
    """CPU seconds: of the server's processes, or of that which the peers run in."""
    windows: int
    """Whisper windows that were decoded."""
    words: int
    """Words that were written."""
    utilisation: float | None = None
    """Mean utilisation of the GPU in percent, where there is one."""
    gpu_mb: float | None = None
    """Memory of the GPU at most, in megabytes, where there is one."""
    batches: Mapping[str, float] = field(default_factory=dict)
    """Mean batch of each core that had work, of the service's."""

    @property
    def rtfx(self) -> float:
        """Seconds of audio in a second."""
        return self.audio / self.wall

    def row(self) -> Row:
        """Return a line of the table."""
        return {
            "by": _named(self.by, self.at_once),
            "files": len(self.latencies),
            "RTFx": self.rtfx,
            "p50_s": percentile(self.latencies, 50),
            "p95_s": percentile(self.latencies, 95),
            "GPU_%": _known(self.utilisation),
            "GPU_MB": _known(self.gpu_mb),
            "cpu_s/h": 3600 * self.cpu / self.audio,
            **{f"batch_of_{name}": self.batches.get(core) for core, name in CORES.items()},
            "windows_per_hour": round(3600 * self.windows / self.audio),
            "words_per_window": self.words / self.windows if self.windows else None,
        }


def goals(loads: Sequence[Load]) -> list[Goal]:
    """Return what should have been found."""
    best = max(load.rtfx for load in loads if load.by == SERVICE)
    peer = next(load.rtfx for load in loads if load.by == BATCHED)
    return [
        Goal(name=f"RTFx of {SERVICE} at its best", value=best, bound="at least", goal=LEAST_RTFX),
        Goal(
            name=f"{SERVICE} at its best / {BATCHED}", value=best / peer, bound="at least", goal=LEAST_RATIO
        ),
    ]


def unmeasured_rows(levels: Sequence[int]) -> list[Row]:
    """Return the lines of a table that wait for a GPU."""
    contenders = [*(_named(SERVICE, level) for level in levels), ONE_BY_ONE, BATCHED]
    figures = ("RTFx", "p50_s", "p95_s", "GPU_%", "GPU_MB", "cpu_s/h")
    return [{"by": by, **dict.fromkeys(figures, NOT_MEASURED)} for by in contenders]


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent of the values do not exceed."""
    rank = -(-len(values) * percent // 100)
    return sorted(values)[rank - 1]


def _known(figure: float | None) -> Value:
    return NOT_MEASURED if figure is None else figure


def _named(by: str, at_once: int) -> str:
    return f"{by}, {at_once} at once" if by == SERVICE else by
