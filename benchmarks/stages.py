"""Where the seconds of diarization go: what its stages compute, and what Triton takes to feed them."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from tritonclient.grpc import InferenceServerClient

from benchmarks.processes import cpu_seconds, descendants
from benchmarks.report import Row
from benchmarks.service import GRPC
from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.audio import decode_audio
from triologue_server.diarization.clustering import tell_apart
from triologue_server.diarization.embedding import EmbeddingModel, SpeakersOfSpan
from triologue_server.diarization.networks import load_from_store
from triologue_server.diarization.reconstruction import Reconstruction
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.spans import AudioOfSpan, hop_of, spans
from triologue_server.settings import Settings

NETWORKS = ("pyannote_segmentation", "speaker_embedding")
"""The models of Triton that diarization asks."""

STAGES = ("decode", "segmentation", "fbank", "trunk", "pooling", "clustering", "reconstruction")
"""What is computed for a recording, in this order. The embedding network is three of them: its filter banks,
its convolutions, and all that it does for each speaker of each window."""

Result = TypeVar("Result")


class Stopwatch:
    """Adds up the CPU seconds of this process by stage. For one thing at a time.

    What is timed within a stage counts there alone.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """CPU seconds of each stage."""
        self._stage: str | None = None
        self._since = 0.0

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """Time what is done in a context."""
        outer = self._switch(stage)
        try:
            yield
        finally:
            self._switch(outer)

    def around(self, stage: str, work: Callable[..., Result]) -> Callable[..., Result]:
        """Return a function that does its work on the watch."""

        def timed(*arguments: Any, **options: Any) -> Result:
            with self.on(stage):
                return work(*arguments, **options)

        return timed

    def _switch(self, stage: str | None) -> str | None:
        """Let the time from now on be another stage's; return whose it was."""
        now = time.process_time()
        if self._stage is not None:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        left, self._stage, self._since = self._stage, stage, now
        return left


def time_stages(settings: Settings, audio: bytes) -> dict[str, float]:
    """Diarize an encoded file with the server's functions, in this process and on one CPU thread.

    Args:
        settings: Of the server.
        audio: The file; somebody speaks in it.

    Returns:
        CPU seconds of each of the `STAGES`.

    Raises:
        StoreError: The weights are not in the model store.
    """
    torch.set_num_threads(1)
    pipeline = load_from_store(settings)
    segmentation = SegmentationModel(pipeline, "cpu", settings.diarization.precision)
    embedding = EmbeddingModel(pipeline, "cpu", settings.diarization.precision)
    watch = Stopwatch()
    network = embedding._model
    network.compute_fbank = watch.around("fbank", network.compute_fbank)
    network.forward_frames = watch.around("trunk", network.forward_frames)
    options = PyannoteSpeakerDiarizationParams()
    hop = hop_of(options.segmentation_step)
    with watch.on("decode"):
        samples = decode_audio(audio, math.inf).samples
    activity, embeddings = [], []
    for span in spans(len(samples), hop):
        heard = AudioOfSpan(samples[span.start : span.stop], hop)
        with watch.on("segmentation"):
            (active,) = segmentation.activity([heard])
        with watch.on("pooling"):
            (voices,) = embedding.embed([SpeakersOfSpan(heard, active)])
        activity.append(active[: span.windows])
        embeddings.append(voices[: span.windows])
    everybody = np.concatenate(activity)
    with watch.on("clustering"):
        found = tell_apart(pipeline, everybody, np.concatenate(embeddings), hop, options)
    with watch.on("reconstruction"):
        gap = pipeline.segmentation.min_duration_off
        turns = Reconstruction(everybody, found.speakers, hop)
        turns.turns(gap)
        turns.exclusive_turns(gap)
    return {stage: watch.seconds[stage] for stage in STAGES}


@dataclass(frozen=True)
class Spent:
    """What a server has spent on the two networks since it began; the difference of two, in between."""

    transport: float
    """Seconds in which Triton hands tensors to them, and takes their answers."""
    queue: float
    """Seconds in which spans wait for them, of all spans together."""
    cpu: float | None
    """CPU seconds of all its processes; `None` where it was not started by this one."""

    def __sub__(self, earlier: "Spent") -> "Spent":
        return Spent(
            self.transport - earlier.transport,
            self.queue - earlier.queue,
            None if self.cpu is None or earlier.cpu is None else self.cpu - earlier.cpu,
        )


class Meter:
    """Reads what a server has spent.

    Args:
        url: Of the server, `grpc://`.
        own: Whether it was started by this process, which has started no other.
    """

    def __init__(self, url: str, *, own: bool) -> None:
        self._client = InferenceServerClient(url.removeprefix(GRPC))
        self._own = own

    def read(self) -> Spent:
        """Ask Triton and the kernel."""
        transport = queue = 0.0
        for network in NETWORKS:
            (model,) = self._client.get_inference_statistics(network).model_stats
            found = model.inference_stats
            transport += (found.compute_input.ns + found.compute_output.ns) / 1e9
            queue += found.queue.ns / 1e9
        return Spent(transport, queue, cpu_seconds(descendants()) if self._own else None)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def rows(work: str, stages: Mapping[str, float], spent: Spent) -> list[Row]:
    """Return a line for each stage, their sum, and what the service spent for the same recording.

    Args:
        work: What was done.
        stages: CPU seconds of each stage.
        spent: By a server, for one request.
    """
    seconds = {**stages, "transport": spent.transport}
    total = sum(seconds.values())
    found: list[Row] = [
        {"work": work, "by": stage, "cpu_s": own, "share_%": 100 * own / total}
        for stage, own in {**seconds, "all of these": total}.items()
    ]
    if spent.cpu is not None:
        found.append({"work": work, "by": "the service's processes", "cpu_s": spent.cpu})
    return [*found, {"work": work, "by": "queue", "waiting_s": spent.queue}]
