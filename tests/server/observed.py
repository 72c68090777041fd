"""A server that tells all it can, what callers of every kind asked of it, and what was seen of it."""

import re
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tritonclient.grpc import InferenceServerClient, InferInput

from tests.server.collector import Collected, Collector, collecting
from tests.server.recordings import silence, wav
from tests.server.test_commands import descendants
from triologue import Client, DiarizedTranscriptionResult, InvalidAudio, KnownSpeaker, tracing
from triologue_server.settings import Settings
from triologue_server.triton.server import TritonServer

PROMPT = "Xylographic quagswagging, flibbertigibbet."
HOTWORDS = "Wojtylizacja"
NAME = "Zbigniewa Wrzoskiewicz"
BROKEN = b"The kwyjibo wrote a grawlix.\n" * 50
LANGUAGE = "quibbledorf"
MARKS = ("xylographic", "flibbertigibbet", "wojtylizacja", "wrzoskiewicz", "kwyjibo", "grawlix", LANGUAGE)
"""Words that stand in none of the product's own messages."""

PLAIN_ID = "plain-1"
"""What a caller of plain Triton calls a request, in a header or in Triton's own field."""
PLAIN_TRACE, PLAIN_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PLAIN_HEADERS = {"traceparent": f"00-{PLAIN_TRACE}-{PLAIN_SPAN}-01"}
"""What says to which trace it belongs."""

ONE = {"concurrency": 1, "queue": 8}


@dataclass
class Observed:
    """What a server said and wrote from when it was ready until it had stopped."""

    upload: bytes
    folder: Path
    """Where all of its folders are."""
    output: list[str] = field(default_factory=list)
    results: list[DiarizedTranscriptionResult] = field(default_factory=list)
    """Those of the client: over HTTP, and over gRPC."""
    errors: list[InvalidAudio] = field(default_factory=list)
    """Likewise."""
    spans: list[Collected] = field(default_factory=list)
    """What a collector of OpenTelemetry has got by the end."""
    transcripts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    files: list[dict[Path, tuple[int, int]]] = field(default_factory=list)
    """The files in its folders with their times and sizes: when it was ready, and after the requests."""
    written: list[dict[int, int | None]] = field(default_factory=list)
    """How many bytes each process has written to files on disks, at the same moments."""
    shared_memory: list[set[Path]] = field(default_factory=list)
    """Its segments of shared memory, after the requests and after its end."""


def observe(sample: Path, folder: Path) -> Observed:
    """Start a server whose folders are its own, and which tells all it can tell; call it in every way."""
    settings = Settings(
        http_port=0,
        grpc_port=0,
        metrics_port=0,
        log_level="verbose",
        models=Settings().models,
        service={"diarized_asr": ONE, "transcription": ONE, "diarization": ONE},
    )
    with wave.open(str(sample)) as file:
        file.setpos(6 * file.getframerate())
        talk = np.frombuffer(file.readframes(12 * file.getframerate()), np.int16)
    seen = Observed(wav(talk), folder)
    with pytest.MonkeyPatch.context() as patch, collecting() as collector:
        for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME"):
            (folder / name).mkdir()
            patch.setenv(name, str(folder / name))
        (folder / "cwd").mkdir()
        patch.chdir(folder / "cwd")
        patch.setattr(tempfile, "tempdir", str(folder / "TMPDIR"))
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with TritonServer(settings, on_output=seen.output.append) as server:
            with Client(server.grpc_url, timeout_s=120) as client:
                client.diarize(silence(1.0))  # by now every process has started, and compiled what it runs
            _look(seen, server)
            with _traced(patch, collector):
                _call(seen, server)
            _call_plainly(seen, server)
            _look(seen, server)
            seen.shared_memory.append(_segments(server))
        seen.shared_memory.append(_segments(server))
        seen.spans = collector.spans
    return seen


@contextmanager
def _traced(patch: pytest.MonkeyPatch, collector: Collector) -> Iterator[None]:
    """Set up OpenTelemetry, as a program that calls has it."""
    provider = TracerProvider(resource=Resource.create({"service.name": "caller"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces")))
    patch.setattr(tracing, "_tracer", provider.get_tracer("triologue"))
    yield
    provider.shutdown()


def _look(seen: Observed, server: TritonServer) -> None:
    processes = [server._process.pid, *descendants(server._process.pid)]
    seen.written.append({process: _written(process) for process in processes})
    files = [path for path in seen.folder.rglob("*") if path.is_file()]
    seen.files.append({path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files})


def _written(process: int) -> int | None:
    """Return how many bytes of files on disks a process has written, if the kernel counts them."""
    with suppress(OSError):
        counted = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
        return int(counted["write_bytes"])
    return None


def _segments(server: TritonServer) -> set[Path]:
    return set(Path("/dev/shm").glob(f"{server._shm_prefix}*"))


def _call(seen: Observed, server: TritonServer) -> None:
    known = (KnownSpeaker.from_clip(NAME, seen.upload),)
    for url in (server.http_url, server.grpc_url):
        with Client(url, timeout_s=120) as client:
            result = client.transcribe_diarized(
                seen.upload,
                language="en",
                initial_prompt=PROMPT,
                hotwords=HOTWORDS,
                known_speakers=known,
                known_speaker_threshold=0.0,
            )
            assert NAME in result.speakers
            seen.results.append(result)
            seen.transcripts.append(result.text)
            with pytest.raises(InvalidAudio) as refusal:
                client.transcribe(BROKEN)
            seen.errors.append(refusal.value)
            seen.refusals.append(str(refusal.value))


def _call_plainly(seen: Observed, server: TritonServer) -> None:
    unary = f"{server.http_url}/v2/models/diarized_asr"
    headers = {"Inference-Header-Content-Length": "0", "X-Request-ID": PLAIN_ID, **PLAIN_HEADERS}
    reply = httpx.post(f"{unary}/infer", content=seen.upload, headers=headers, timeout=120)
    assert reply.is_success
    (text,) = re.findall(rb'"transcription": \{"text": "([^"]+)"', reply.content)
    seen.transcripts.append(text.decode())
    asked: dict[str, Any] = {"AUDIO": "none", "language": LANGUAGE, "initial_prompt": PROMPT}
    for url in (f"{unary}/generate", f"{unary}_stream/generate"):
        reply = httpx.post(url, json=asked, timeout=120)
        assert reply.status_code == 400
        seen.refusals.append(reply.json()["error"])
    tensor = InferInput("AUDIO", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([silence(1.0)], object))
    with InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        client.infer("diarization", [tensor], request_id=PLAIN_ID, headers=PLAIN_HEADERS)
