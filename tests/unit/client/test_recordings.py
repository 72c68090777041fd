"""What a recording may be, and how it is brought to the server."""

import http.server
import io
import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.unit.client.conftest import Connect, seen_by
from tests.unit.conftest import ANSWERS
from tritonclient.grpc import service_pb2

from triologue import Client, DeadlineExceeded, InvalidAudio, PayloadTooLarge, recording
from triologue.protocol.deadline import Deadline
from triologue.protocol.request import diarized_transcription
from triologue.recording import CHUNK_BYTES, File, Held, as_recording
from triologue.samples import to_wav
from triologue.transport.grpc_messages import write_request
from triologue.transport.http_messages import Body

Serve = Callable[..., AbstractContextManager[str]]


def samples_of(wav: bytes) -> tuple[Any, int]:
    """Read a WAV file, as (samples, channels)."""
    with av.open(io.BytesIO(wav)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        stream = container.streams.audio[0]
        return np.concatenate(frames, axis=1).reshape(-1, stream.channels), stream.rate


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float16", "float32", "float64", ">i2", ">f4"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_samples_travel_without_loss(kind: str, channels: int) -> None:
    random = np.random.default_rng(7)
    shape = (1_001,) if channels == 1 else (1_001, channels)
    if np.dtype(kind).kind == "f":
        samples = random.uniform(-1.5, 1.5, shape).astype(kind)
    else:
        bounds = np.iinfo(kind)
        samples = random.integers(bounds.min, bounds.max, shape, endpoint=True).astype(kind)
    read, rate = samples_of(to_wav(samples, 22_050))
    assert rate == 22_050
    np.testing.assert_array_equal(read, samples.reshape(-1, channels))
    assert read.dtype == (np.float32 if kind == "float16" else np.dtype(kind).newbyteorder("="))


def test_samples_in_any_order_of_memory() -> None:
    samples = np.arange(12, dtype=np.int16).reshape(2, 6).T
    np.testing.assert_array_equal(samples_of(to_wav(samples, 8_000))[0], samples)
    assert not samples.flags.c_contiguous


@pytest.mark.parametrize(
    ("samples", "rate", "error", "said"),
    [
        ([0.0], 16_000, TypeError, "numpy array"),
        (np.zeros(4, np.int64), 16_000, TypeError, "int64"),
        (np.zeros(4, bool), 16_000, TypeError, "bool"),
        (np.zeros(4, complex), 16_000, TypeError, "complex"),
        (np.zeros((2, 480_000), np.float32), 16_000, ValueError, "480000"),
        (np.zeros((1, 2, 3), np.float32), 16_000, ValueError, "shape"),
        (np.zeros((), np.float32), 16_000, ValueError, "shape"),
        (np.zeros(4, np.float32), 0, ValueError, "sample rate"),
        (np.zeros(4, np.float32), 44_100.5, ValueError, "sample rate"),
    ],
)
def test_samples_that_are_none(samples: Any, rate: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        to_wav(samples, rate)


def test_an_array_without_its_rate(serve: Serve) -> None:
    with serve("http") as url, Client(url) as client, pytest.raises(TypeError, match="ndarray"):
        client.transcribe(np.zeros(16_000))  # type: ignore[arg-type]


def test_samples_arrive(scheme: str, serve: Serve, connect: Connect) -> None:
    samples = np.linspace(-1.0, 1.0, 999, dtype=np.float32)
    with serve(scheme) as url, connect(url) as client:
        arrived = seen_by(client.transcribe((samples, 16_000)))["audio"].encode("latin-1")
    np.testing.assert_array_equal(samples_of(arrived)[0][:, 0], samples)


@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 2]
)
def test_every_byte_arrives(size: int, scheme: str, tmp_path: Path, serve: Serve, connect: Connect) -> None:
    data = np.random.default_rng(size).bytes(size)
    path = tmp_path / "meeting.wav"
    path.write_bytes(data)
    arrived: list[bytes] = []

    def answer(pipeline: str, parameters: dict[str, Any], audio: bytes, headers: dict[str, str]) -> bytes:
        arrived.append(audio)
        return DIARIZED

    with serve(scheme, answer) as url, connect(url) as client:
        client.transcribe_diarized(path)
        client.transcribe_diarized(data)
    assert arrived == [data, data]


DIARIZED = json.dumps(ANSWERS["diarized_asr"]).encode()


@pytest.mark.parametrize("length", [0, 100, 123, 124, 16_379, 16_380, 2_097_147, 2_097_148])
def test_a_message_is_what_protobuf_would_write(length: int) -> None:
    request = diarized_transcription(None, {"beam_size": 2, "patience": 1.5, "language": "de"}, "all")
    message = service_pb2.ModelInferRequest.FromString(
        write_request(request, Held(b"x" * length), Deadline(60.0, ""))
    )
    assert message.model_name == "diarized_asr_stream"
    assert (message.inputs[0].name, message.inputs[0].datatype, list(message.inputs[0].shape)) == (
        "AUDIO",
        "BYTES",
        [1],
    )
    assert list(message.raw_input_contents) == [length.to_bytes(4, "little") + b"x" * length]
    assert message.parameters["beam_size"].int64_param == 2
    assert message.parameters["patience"].double_param == 1.5
    assert message.parameters["language"].string_param == "de"
    assert 50.0 < message.parameters["timeout_s"].double_param <= 60.0


def test_a_large_file_is_in_memory_once_over_grpc_and_not_at_all_over_http(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    megabytes = 60
    with path.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    request = diarized_transcription(None, {}, "result")

    def peak(send: Callable[[], object]) -> float:
        tracemalloc.start()
        try:
            send()
            return tracemalloc.get_traced_memory()[1] / 1e6
        finally:
            tracemalloc.stop()

    deadline = Deadline(60.0, "")
    # Two while the message is put together, of which one remains.
    assert peak(lambda: write_request(request, as_recording(path), deadline)) < 2.1 * megabytes
    assert peak(lambda: [len(piece) for piece in Body(request, as_recording(path), deadline).pieces()]) < 5.0


def test_a_file_that_changes_while_it_is_sent(
    tmp_path: Path, scheme: str, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "meeting.wav"
    for is_now in (b"RIF", b"RIFFRIFF"):
        path.write_bytes(is_now)
        monkeypatch.setattr("triologue.driver.as_recording", lambda audio: File(path, 4))
        monkeypatch.setattr("triologue.async_driver.as_recording", lambda audio: File(path, 4))
        with serve(scheme) as url, connect(url) as client:
            with pytest.raises(InvalidAudio, match="changed while it was read"):
                client.transcribe(path)
            monkeypatch.undo()
            assert seen_by(client.transcribe(path))["audio"] == is_now.decode()


def test_a_recording_that_fits_no_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recording, "MAX_BYTES", 3)
    path = tmp_path / "long.wav"
    path.write_bytes(b"1234")
    assert as_recording(b"123").size == 3
    for audio in (b"1234", path, io.BytesIO(b"1234")):
        with pytest.raises(PayloadTooLarge, match="4 bytes"):
            as_recording(audio)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:

    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(b"RIFF" * 10))
    writer.start()
    assert b"".join(as_recording(path).chunks()) == b"RIFF" * 10
    writer.join()


@contextmanager
def web_server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/meeting.wav")
                self.end_headers()
                return
            if path == "/slow":
                stop.wait(10.0)
            self.send_response(200 if path in {"/meeting.wav", "/slow"} else 404)
            self.end_headers()
            self.wfile.write(b"RIFF" + str(self.headers.get("Authorization")).encode())

        def log_message(self, *args: object) -> None:
            """Keep the output of the tests readable."""

    stop = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            stop.set()
            server.shutdown()
            thread.join()


def test_the_client_fetches_urls(scheme: str, serve: Serve, connect: Connect) -> None:
    with serve(scheme) as url, web_server() as web, connect(url, api_key="secret") as client:
        for path in ("/meeting.wav", "/moved", "/meeting.wav?signature=secret"):
            # The key of the service is nobody else's business.
            assert seen_by(client.transcribe(web + path))["audio"] == "RIFFNone"
        with pytest.raises(InvalidAudio, match=f"^{web}/missing cannot be fetched: HTTP 404$"):
            client.transcribe(f"{web}/missing?signature=secret")
        with pytest.raises(DeadlineExceeded):
            client.transcribe(f"{web}/slow", timeout_s=0.3)
        with pytest.raises(InvalidAudio, match=r"^http://127\.0\.0\.1:1/a\.wav cannot be fetched") as caught:
            client.transcribe("http://me:secret@127.0.0.1:1/a.wav?signature=secret#secret")
        assert "secret" not in caught.value.message
