"""The client against real sockets: servers that answer well, badly and not at all."""

import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, get_type_hints

import grpc
import pytest
from tests.unit.conftest import echo

import triologue
from triologue import (
    Cancelled,
    Client,
    DeadlineExceeded,
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    InternalError,
    InvalidAudio,
    InvalidOption,
    KnownSpeaker,
    NotFound,
    PayloadTooLarge,
    PyannoteSpeakerDiarizationParams,
    ServerOverloaded,
    ServerUnavailable,
    TranscriptionResult,
    TriologueError,
    WhisperParams,
    protocol,
)
from triologue.keywords import DiarizationKeywords, DiarizedAsrKeywords, WhisperKeywords

Serve = Callable[..., AbstractContextManager[str]]
both = pytest.mark.parametrize("scheme", ["http", "grpc"])


def seen_by(result: TranscriptionResult | DiarizationResult) -> dict[str, Any]:
    return dict(json.loads(result.warnings[0]))


@both
def test_each_method_calls_its_model_and_reads_its_result(scheme: str, serve: Serve) -> None:
    with serve(scheme) as url, Client(url, headers={"X-Name": "value"}) as client:
        plain = client.transcribe(
            b"RIFF", language="de", temperature=(0.0, 0.2), vad_filter=False, patience=1.5
        )
        turns = client.diarize(b"", num_speakers=2)
        both_of_them = client.transcribe_diarized(b"RIFF", initial_prompt="Grüße", max_speakers=4)
    assert type(plain) is TranscriptionResult
    assert plain.text == "Hello."
    assert seen_by(plain) == {
        "model": "transcription",
        "parameters": {"language": "de", "temperature": "[0.0, 0.2]", "vad_filter": False, "patience": 1.5},
        "audio": "RIFF",
        "name": "value",
    }
    assert type(turns) is DiarizationResult
    assert seen_by(turns) == {
        "model": "diarization",
        "parameters": {"num_speakers": 2},
        "audio": "",
        "name": "value",
    }
    assert type(both_of_them) is DiarizedTranscriptionResult
    assert seen_by(both_of_them)["parameters"] == {"initial_prompt": "Grüße", "max_speakers": 4}


def test_a_recording_is_a_path_or_bytes_or_an_open_file(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "meeting.wav"
    path.write_bytes(b"RIFF")
    with serve("http") as url, Client(url) as client, path.open("rb") as opened:
        for audio in (path, str(path), b"RIFF", bytearray(b"RIFF"), opened, BytesIO(b"RIFF")):
            assert seen_by(client.transcribe(audio))["audio"] == "RIFF"
        with pytest.raises(FileNotFoundError):
            client.transcribe(tmp_path / "missing.wav")
        with pytest.raises(TypeError, match="binary mode"):
            client.transcribe(StringIO("RIFF"))  # type: ignore[arg-type]


def test_keywords_win_over_an_options_model() -> None:
    options = DiarizedAsrOptions(language="de", beam_size=2)
    request = protocol.diarized_transcription(b"", options, {"beam_size": 3, "num_speakers": 2})
    assert request.parameters == {"language": "de", "beam_size": 3, "num_speakers": 2}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"beam_size": 0}, "beam_size: .*greater than or equal to 1"),
        ({"beam": 2}, "beam: no such option"),
        ({"language": "klingon"}, "language: "),
        ({"temperature": (0.0, 3.0)}, "temperature: "),
        ({"min_speakers": 3, "max_speakers": 2}, "min_speakers: "),
    ],
)
def test_options_are_refused_before_anything_is_sent(
    fields: dict[str, Any], message: str, free_port: int
) -> None:
    with Client(f"http://127.0.0.1:{free_port}") as client, pytest.raises(InvalidOption, match=f"^{message}"):
        client.transcribe_diarized(b"RIFF", **fields)


@pytest.mark.parametrize(
    ("keywords", "model"),
    [
        (WhisperKeywords, WhisperParams),
        (DiarizationKeywords, PyannoteSpeakerDiarizationParams),
        (DiarizedAsrKeywords, DiarizedAsrOptions),
    ],
)
def test_keywords_are_the_fields_of_the_options(keywords: type, model: Any) -> None:
    assert get_type_hints(keywords) == {name: field.annotation for name, field in model.model_fields.items()}


def heard(**speakers: tuple[float, ...]) -> Callable[..., bytes]:
    """Answer with the voices of these speakers; their turns are of no interest here."""

    def answer(*call: Any) -> bytes:
        return json.dumps(json.loads(echo(*call)) | {"speaker_embeddings": speakers}).encode()

    return answer


@both
def test_a_voice_is_enrolled_and_then_known(scheme: str, tmp_path: Path, serve: Serve) -> None:
    asked: list[tuple[str, dict[str, Any], bytes]] = []

    def answer(model: str, parameters: dict[str, Any], audio: bytes, headers: dict[str, str]) -> bytes:
        asked.append((model, parameters, audio))
        return heard(SPEAKER_00=(0.25, -1.0))(model, parameters, audio, headers)

    path = tmp_path / "ann.wav"
    path.write_bytes(b"RIFF")
    with serve(scheme, answer) as url, Client(url) as client:
        ann = client.enroll(path, "Ann Lee")
        client.diarize(b"", known_speakers=(ann,))
    assert ann == KnownSpeaker(name="Ann Lee", embedding=(0.25, -1.0))
    assert asked[0] == ("diarization", {"num_speakers": 1, "speaker_embeddings": True}, b"RIFF")
    assert json.loads(asked[1][1]["known_speakers"]) == [{"name": "Ann Lee", "embedding": [0.25, -1.0]}]


def test_nobody_speaks_in_a_clip(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "silence.wav"
    path.write_bytes(b"RIFF")
    with serve("http", heard()) as url, Client(url) as client, path.open("rb") as opened:
        for clip in (path, str(path), opened):
            with pytest.raises(InvalidAudio, match=rf"^{path}: nobody speaks"):
                client.enroll(clip, "Ann")
        for clip in (b"RIFF", BytesIO(b"RIFF")):
            with pytest.raises(InvalidAudio, match=r"^the recording: nobody speaks"):
                client.enroll(clip, "Ann")


@pytest.mark.parametrize("name", ["", " ", "Ann\n", "SPEAKER_01"])
def test_a_name_is_refused_before_anything_is_sent(name: str, free_port: int) -> None:
    with Client(f"http://127.0.0.1:{free_port}") as client, pytest.raises(InvalidOption, match=r"^name: "):
        client.enroll(b"RIFF", name)


def test_a_recording_that_fits_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_AUDIO_BYTES", 3)
    assert protocol.transcription(b"123").audio == b"123"
    with pytest.raises(PayloadTooLarge, match="4 bytes"):
        protocol.transcription(b"1234")


@pytest.mark.parametrize(
    ("reply", "said"), [(b"{}", "audio: Field required"), (b"<html>", "Invalid JSON"), (b"", "Invalid JSON")]
)
def test_an_answer_this_client_does_not_know(reply: bytes, said: str) -> None:
    with pytest.raises(InternalError, match=f"'transcription' cannot be read .*{said}"):
        protocol.transcription(b"").read(reply)


def test_an_event_that_is_no_answer() -> None:
    with pytest.raises(InternalError, match=r"'transcription' cannot be read \(type: "):
        protocol.transcription(b"").read_event(b'{"type": "info", "audio": {}}')


@both
def test_connection_refused(scheme: str, free_port: int) -> None:
    url = f"{scheme}://127.0.0.1:{free_port}"
    with Client(url) as client:
        with pytest.raises(
            ServerUnavailable, match=f"^{url} cannot be reached: .*Connection refused"
        ) as caught:
            client.transcribe(b"RIFF")
        assert caught.value.__cause__ is not None
        with pytest.raises(ServerUnavailable, match=url):
            client.health()
        assert client.is_ready() is False


@both
def test_host_that_does_not_exist(scheme: str) -> None:
    with (
        Client(f"{scheme}://no-such-host.invalid:1") as client,
        pytest.raises(ServerUnavailable, match="invalid"),
    ):
        client.transcribe(b"RIFF")


@both
def test_silent_server(scheme: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        started = time.monotonic()
        with (
            Client(url, timeout_s=0.5) as client,
            pytest.raises(DeadlineExceeded, match=f"{url} within 0.5 s"),
        ):
            client.transcribe(b"RIFF")
        assert 0.4 < time.monotonic() - started < 3.0


@pytest.mark.parametrize(("ours", "theirs"), [("http", "grpc"), ("grpc", "http"), ("https", "http")])
def test_server_that_speaks_something_else(ours: str, theirs: str, serve: Serve) -> None:
    with (
        serve(theirs) as url,
        Client(url.replace(theirs, ours, 1), timeout_s=5.0) as client,
        pytest.raises(ServerUnavailable, match=f"^{ours}://"),
    ):
        client.transcribe(b"RIFF")


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (400, {"error": "INVALID_AUDIO: no stream in it"}, InvalidAudio, "no stream in it"),
        (500, {"error": "in ensemble 'x', OVERLOADED: queue is full"}, ServerOverloaded, "queue is full"),
        (400, {"error": "Request for unknown model: 'x' is not found"}, NotFound, "unknown model: 'x'"),
        (503, {"error": "Exceeds maximum queue size"}, ServerOverloaded, "maximum queue size"),
        (
            400,
            {"error": "Request JSON size of 9 bytes exceeds the maximum allowed value of 8"},
            PayloadTooLarge,
            "9",
        ),
        (404, "<h1>Not Found</h1>", NotFound, "HTTP 404"),
        (413, "<h1>Too large</h1>", PayloadTooLarge, "HTTP 413"),
        (413, "", PayloadTooLarge, "HTTP 413"),
        (429, "slower", ServerOverloaded, "HTTP 429"),
        (503, "", ServerUnavailable, "HTTP 503"),
        (502, "<h1>Bad Gateway</h1>", ServerUnavailable, "HTTP 502"),
        (504, "", DeadlineExceeded, "HTTP 504"),
        (400, {"error": "expected 1 inputs but got 2"}, InternalError, "HTTP 400, expected 1 inputs"),
        (401, "who are you", InternalError, "HTTP 401"),
        (200, "<h1>Welcome</h1>", InternalError, "not Triton's"),
        (200, {}, InternalError, "RESULT"),
    ],
)
def test_http_errors(
    status: int, body: dict[str, str] | str, error: type[TriologueError], message: str, serve: Serve
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    with (
        serve("http", lambda *call: (status, text)) as url,
        Client(url) as client,
        pytest.raises(error, match=message) as caught,
    ):
        client.transcribe(b"RIFF")
    assert type(caught.value) is error
    assert "<h1>" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "details", "error"),
    [
        (None, "INVALID_AUDIO: no stream in it", InvalidAudio),
        (None, "in ensemble 'x', OVERLOADED: queue is full", ServerOverloaded),
        (None, "Request for unknown model: 'x' is not found", NotFound),
        (None, "expected 1 inputs but got 2", InternalError),
        ("UNAVAILABLE", "server is exiting", ServerUnavailable),
        ("NOT_FOUND", "no", NotFound),
        ("RESOURCE_EXHAUSTED", "later", ServerOverloaded),
        ("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (9 vs. 8)", PayloadTooLarge),
        ("DEADLINE_EXCEEDED", "", DeadlineExceeded),
        ("CANCELLED", "", Cancelled),
        ("UNKNOWN", "?", InternalError),
    ],
)
def test_grpc_errors(status: str | None, details: str, error: type[TriologueError], serve: Serve) -> None:
    code = grpc.StatusCode[status] if status else None
    with (
        serve("grpc", lambda *call: (code, details)) as url,
        Client(url) as client,
        pytest.raises(TriologueError) as caught,
    ):
        client.transcribe(b"RIFF")
    assert type(caught.value) is error
    assert caught.value.message


@both
def test_health(scheme: str, serve: Serve) -> None:
    with serve(scheme) as url, Client(url) as client:
        assert client.is_ready() is True
        health = client.health()
    assert (health.live, health.ready, health.version) == (True, True, "2.51.0")
    assert health.models == {"transcription": True, "diarization": True, "diarized_asr": False}


@both
def test_waiting_for_a_server_that_starts_late(scheme: str, free_port: int, serve: Serve) -> None:
    with ExitStack() as stack, Client(f"{scheme}://127.0.0.1:{free_port}") as client:
        assert client.is_ready() is False
        with pytest.raises(ServerUnavailable, match=r"not ready within 0\.2 s: .*Connection refused"):
            client.wait_until_ready(timeout_s=0.2)
        start = threading.Timer(0.3, lambda: stack.enter_context(serve(scheme, port=free_port)))
        start.start()
        client.wait_until_ready(timeout_s=20.0)
        start.join()
        assert client.transcribe(b"RIFF").text == "Hello."


@both
def test_threads_share_a_client(scheme: str, serve: Serve) -> None:
    with serve(scheme) as url, Client(url) as client, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: client.transcribe(b"%d" % number), range(40)))
    assert [seen_by(result)["audio"] for result in results] == [str(number) for number in range(40)]


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://host",
        "http://",
        "http://host/?a=b",
        "http://me:secret@host",
        "grpc://host/path",
        "",
    ],
)
def test_urls_that_name_no_server(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        Client(url)


def test_a_url_may_have_a_path(serve: Serve) -> None:
    def answer(part: str, *call: Any) -> tuple[int, str]:
        return 404, json.dumps({"error": f"NOT_FOUND: {part}"})

    with (
        serve("http", answer) as url,
        Client(f"{url}/asr/") as client,
        pytest.raises(NotFound, match=r"^models$"),  # one part further on than without /asr
    ):
        client.transcribe(b"RIFF")


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan")])
def test_a_timeout_is_above_zero(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        Client(timeout_s=timeout_s)


def test_public_names_exist() -> None:
    assert all(hasattr(triologue, name) for name in triologue.__all__)
