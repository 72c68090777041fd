"""Who is measured on a GPU: the service under load, and what others put together out of the same models."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from faster_whisper.transcribe import Segment
from tritonclient.grpc import InferenceServerClient

from benchmarks.on_gpu.figures import BATCHED, CORES, ONE_BY_ONE, SERVICE, Load
from benchmarks.on_gpu.watch import Gpu, GpuWatch
from benchmarks.peers import Peers
from benchmarks.pipeline import PyannotePipeline
from benchmarks.processes import cpu_seconds, descendants
from benchmarks.service import GRPC, OPERATOR
from triologue import Client
from triologue_server.settings import Settings
from triologue_server.store import ModelStore

BATCH_SIZE = 16

# As in the service, text is written without timestamps, and its words are timed by aligning them. A window
# that was told what was said before it would have less room for text.
_OF_PEERS = {"without_timestamps": True, "word_timestamps": True, "condition_on_previous_text": False}


@dataclass(frozen=True)
class Sound:
    """A recording."""

    audio: bytes
    """Its file."""
    seconds: float
    """Its length."""


class Service:
    """A server that this process has started, which has started no other.

    Args:
        url: Of the server, `grpc://`.
        options: What to transcribe with.
        gpu: Where it computes, if on one.
    """

    def __init__(self, url: str, options: Mapping[str, Any], gpu: Gpu | None) -> None:
        self._url = url
        self._options = options
        self._gpu = gpu
        self._triton = InferenceServerClient(url.removeprefix(GRPC))

    def close(self) -> None:
        """Close the connection."""
        self._triton.close()

    def take(self, sounds: Sequence[Sound], at_once: int) -> Load:
        """Have recordings transcribed and diarized by so many callers, each of which sends one at a time."""
        server = descendants()
        computed, counted = cpu_seconds(server), self._counts()
        with GpuWatch(self._gpu) as watch:
            started = time.perf_counter()
            answered = self._send(sounds, at_once)
            wall = time.perf_counter() - started
        computed = cpu_seconds(server) - computed
        # Windows or spans, and executions of a model.
        worked = {
            core: (windows - counted[core][0], runs - counted[core][1])
            for core, (windows, runs) in self._counts().items()
        }
        return Load(
            SERVICE,
            at_once=at_once,
            audio=sum(sound.seconds for sound in sounds),
            wall=wall,
            latencies=[latency for latency, _ in answered],
            cpu=computed,
            windows=worked["whisper"][0],
            words=sum(words for _, words in answered),
            utilisation=watch.utilisation,
            gpu_mb=watch.most_mb,
            batches={core: windows / runs for core, (windows, runs) in worked.items() if runs},
        )

    def _send(self, sounds: Sequence[Sound], at_once: int) -> list[tuple[float, int]]:
        """Return the latency of each recording, and how many words it has."""
        waiting: SimpleQueue[Sound] = SimpleQueue()
        for sound in sounds:
            waiting.put(sound)

        def caller() -> list[tuple[float, int]]:
            answered: list[tuple[float, int]] = []
            with Client(self._url) as client:
                while True:
                    try:
                        sound = waiting.get_nowait()
                    except Empty:
                        return answered
                    started = time.perf_counter()
                    result = client.transcribe_diarized(sound.audio, **self._options)
                    latency = time.perf_counter() - started
                    answered.append((latency, sum(len(segment.words) for segment in result.segments)))

        with ThreadPoolExecutor(at_once) as pool:
            calls = [pool.submit(caller) for _ in range(at_once)]
            return [one for call in calls for one in call.result()]

    def _counts(self) -> dict[str, tuple[int, int]]:
        """Return how many requests each core has answered, and in how many executions."""
        found = {}
        for core in CORES:
            (model,) = self._triton.get_inference_statistics(core, headers=OPERATOR).model_stats
            found[core] = (model.inference_count, model.execution_count)
        return found


class InOneProcess:
    """pyannote.audio's pipeline, and faster-whisper in either way, in this process.

    Args:
        settings: Of the service: same models, devices and number formats.
        options: What to transcribe with.
        gpu: Where they compute, if on one.

    Raises:
        StoreError: Weights are not in the model store.
    """

    def __init__(self, settings: Settings, options: Mapping[str, Any], gpu: Gpu | None) -> None:
        self._pipeline = PyannotePipeline(settings, len(os.sched_getaffinity(0)))
        peers = Peers(settings.whisper, ModelStore(settings.models))
        options = {**options, **_OF_PEERS}
        self._gpu = gpu
        self._ways: dict[str, Callable[[bytes], list[Segment]]] = {
            ONE_BY_ONE: lambda audio: peers.transcribe(audio, **options),
            BATCHED: lambda audio: peers.transcribe_batched(audio, batch_size=BATCH_SIZE, **options),
        }

    def take(self, sounds: Sequence[Sound], by: str) -> Load:
        """Transcribe and diarize recordings one after the other, in one of the two ways."""
        latencies: list[float] = []
        segments: list[Segment] = []
        with GpuWatch(self._gpu) as watch:
            started, computed = time.perf_counter(), time.process_time()
            for sound in sounds:
                began = time.perf_counter()
                self._pipeline.diarize(sound.audio)
                segments += self._ways[by](sound.audio)
                latencies.append(time.perf_counter() - began)
            wall, computed = time.perf_counter() - started, time.process_time() - computed
        return Load(
            by,
            at_once=1,
            audio=sum(sound.seconds for sound in sounds),
            wall=wall,
            latencies=latencies,
            cpu=computed,
            # Without timestamps, a window is a segment.
            windows=len(segments),
            words=sum(len(segment.words or ()) for segment in segments),
            utilisation=watch.utilisation,
            gpu_mb=watch.most_mb,
        )
