"""Where every second of a diarized transcription goes: what is computed, and what Triton takes to feed it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from tritonclient.grpc import InferenceServerClient

from benchmarks.endtoend import in_process
from benchmarks.endtoend.by_hand import DECODING
from benchmarks.endtoend.in_process import InProcess
from benchmarks.endtoend.recordings import Clip
from benchmarks.endtoend.throughput import Transcribe
from benchmarks.processes import cpu_seconds, descendants
from benchmarks.report import Row
from benchmarks.service import GRPC, OPERATOR
from benchmarks.stopwatch import Stopwatch
from triologue_server.conductor import diarizer, run
from triologue_server.settings import Settings
from triologue_server.transcription.processor import Spectrogram

CORES = {
    "segmentation": "pyannote_segmentation",
    "embedding": "speaker_embedding",
    "whisper": "whisper",
}
"""Models of Triton that a recording is computed by, by what their stages begin with."""


def time_stages(settings: Settings, clip: Clip) -> dict[str, float]:
    """Transcribe a recording by the service's functions in this process, one call of a core at a time.

    Args:
        settings: Of the server.
        clip: The recording.

    Returns:
        Seconds of each stage; those of the cores on one thread, and those of the conductor beside them.

    Raises:
        StoreError: Weights are not in the model store.
    """
    own = InProcess(settings, threads=1)
    own(clip.audio, **DECODING)  # what is used first is loaded then
    cores, conductor = Stopwatch(time.perf_counter), Stopwatch(time.perf_counter)
    with ExitStack() as undo:
        for stage, owner, name in _of_cores(own):
            undo.enter_context(_timed(cores, stage, owner, name))
        for stage, owner, name in _OF_CONDUCTOR:
            undo.enter_context(_timed(conductor, stage, owner, name))
        own(clip.audio, **DECODING)
    return {
        "conductor: decoding of the file": conductor.seconds["decode"],
        **cores.seconds,
        **{f"conductor: {stage}": conductor.seconds[stage] for stage in ("mel", "clustering", "voices")},
    }


_OF_CONDUCTOR: tuple[tuple[str, Any, str], ...] = (
    ("decode", in_process, "decode_audio"),
    ("mel", Spectrogram, "_log_mel"),
    ("clustering", diarizer, "diarize"),
    ("voices", run, "refine"),
)


def _of_cores(own: InProcess) -> Iterator[tuple[str, Any, str]]:
    yield "segmentation", own.segmentation, "activity"
    yield "embedding: pooling", own.embedding, "embed"
    yield "embedding: trunk", own.embedding._model, "forward_frames"
    yield "embedding: fbank", own.embedding._model, "compute_fbank"
    yield "whisper: rest", own.whisper, "transcribe"
    yield "whisper: encoder", own.whisper, "_encode"
    yield "whisper: decoder", own.whisper, "_decode"
    yield "whisper: words", own.whisper, "_align"


@contextmanager
def _timed(watch: Stopwatch, stage: str, owner: Any, name: str) -> Iterator[None]:
    # Of a class, it is a function that is given the object.
    with patch.object(owner, name, watch.around(stage, getattr(owner, name))):
        yield


@dataclass(frozen=True)
class Served:
    """What a server has spent on a recording."""

    cpu: float
    """CPU seconds of all of its processes."""
    transport: Mapping[str, float]
    """Seconds in which Triton hands tensors to each core, and takes its answers."""
    queue: Mapping[str, float]
    """Seconds in which the calls of each core wait for it in Triton, all calls together."""


def serve(url: str, transcribe: Transcribe, clip: Clip) -> Served:
    """Let the only server of this process transcribe a recording; ask Triton and the kernel what it took."""
    with InferenceServerClient(url.removeprefix(GRPC)) as client:
        before, computed = _statistics(client), cpu_seconds(descendants())
        transcribe(clip.audio)
        computed = cpu_seconds(descendants()) - computed
        after = _statistics(client)
    spent = {core: (a - c, b - d) for core, (a, b), (c, d) in _pairs(after, before)}
    return Served(
        computed,
        {core: transport for core, (transport, _) in spent.items()},
        {core: queue for core, (_, queue) in spent.items()},
    )


_Statistics = dict[str, tuple[float, float]]


def _pairs(
    after: _Statistics, before: _Statistics
) -> Iterator[tuple[str, tuple[float, float], tuple[float, float]]]:
    for core, found in after.items():
        yield core, found, before[core]


def _statistics(client: InferenceServerClient) -> _Statistics:
    found = {}
    for core, name in CORES.items():
        (model,) = client.get_inference_statistics(name, headers=OPERATOR).model_stats
        statistics = model.inference_stats
        transport = statistics.compute_input.ns + statistics.compute_output.ns
        found[core] = (transport / 1e9, statistics.queue.ns / 1e9)
    return found


def rows(clip: Clip, stages: Mapping[str, float], served: Served) -> list[Row]:
    """Return a line for each stage, their sum, and what the server spent for the same recording."""
    work = f"stages of {clip.seconds / 60:g} min"
    transport = {f"{core}: transport": seconds for core, seconds in served.transport.items()}
    seconds = {**stages, **transport}
    total = sum(seconds.values())
    found: list[Row] = [
        {"work": work, "by": stage, "s": own, "share_%": 100 * own / total}
        for stage, own in {**seconds, "all of these": total}.items()
    ]
    found.append({"work": work, "by": "CPU seconds of the service's processes", "s": served.cpu})
    found += [
        {"work": work, "by": f"{core}: waiting in Triton's queue", "s": seconds}
        for core, seconds in served.queue.items()
    ]
    return found
