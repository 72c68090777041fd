"""What each method sends, and how its answer is read."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from inspect import signature
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from tests.unit.client.conftest import Connect, seen_by
from tests.unit.conftest import echo

import triologue
from triologue import (
    AsyncClient,
    Client,
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    InfoEvent,
    InternalError,
    InvalidAudio,
    InvalidOption,
    KnownSpeaker,
    ProgressEvent,
    PyannoteSpeakerDiarizationParams,
    ResultEvent,
    SegmentEvent,
    TranscriptionResult,
    WhisperParams,
)
from triologue.keywords import DiarizationKeywords, DiarizedAsrKeywords, TranslationKeywords, WhisperKeywords
from triologue.protocol.request import any_of, diarized_transcription, transcription

Serve = Callable[..., AbstractContextManager[str]]


def test_each_method_asks_its_pipeline_and_reads_its_result(
    scheme: str, serve: Serve, connect: Connect
) -> None:
    with serve(scheme) as url, connect(url, headers={"X-Name": "value"}, api_key="secret") as client:
        plain = client.transcribe(
            b"RIFF", language="de", temperature=(0.0, 0.2), vad_filter=False, patience=1.5
        )
        english = client.translate(b"RIFF", WhisperParams(beam_size=2))
        turns = client.diarize(b"", num_speakers=2)
        both_of_them = client.transcribe_diarized(b"RIFF", initial_prompt="Grüße", max_speakers=4)
    assert type(plain) is TranscriptionResult
    assert plain.text == "Hello."
    seen = seen_by(plain)
    assert (seen["model"], seen["audio"], seen["name"], seen["key"]) == (
        "transcription",
        "RIFF",
        "value",
        "Bearer secret",
    )
    assert seen["parameters"] == {
        "language": "de",
        "temperature": "[0.0, 0.2]",
        "vad_filter": False,
        "patience": 1.5,
    }
    assert seen_by(english)["parameters"] == {"beam_size": 2, "task": "translate"}
    assert type(turns) is DiarizationResult
    assert (seen_by(turns)["model"], seen_by(turns)["audio"]) == ("diarization", "")
    assert seen_by(turns)["parameters"] == {"num_speakers": 2}
    assert type(both_of_them) is DiarizedTranscriptionResult
    assert seen_by(both_of_them)["parameters"] == {"initial_prompt": "Grüße", "max_speakers": 4}


def test_events_of_a_stream_and_of_a_call(scheme: str, serve: Serve, connect: Connect) -> None:
    told: list[Any] = []
    with serve(scheme) as url, connect(url) as client:
        events = list(client.stream(b"RIFF", pipeline="transcription", beam_size=2))
        result = client.transcribe(b"RIFF", on_event=told.append)
        client.diarize(b"RIFF")
    kinds = [InfoEvent, ProgressEvent, SegmentEvent, ResultEvent]
    assert [type(event) for event in events] == [type(event) for event in told] == kinds
    assert seen_by(events[-1].result)["parameters"] == {"beam_size": 2}
    assert told[-1].result == result


def test_what_a_listener_raises_ends_the_call(scheme: str, serve: Serve, connect: Connect) -> None:
    def listen(event: Any) -> None:
        raise LookupError(type(event).__name__)

    with serve(scheme) as url, connect(url) as client, pytest.raises(LookupError, match="InfoEvent"):
        client.transcribe(b"RIFF", on_event=listen)


def test_a_recording_is_a_path_or_bytes_or_an_open_file(
    tmp_path: Path, scheme: str, serve: Serve, connect: Connect
) -> None:
    path = tmp_path / "meeting.wav"
    path.write_bytes(b"RIFF")
    with serve(scheme) as url, connect(url) as client, path.open("rb") as opened:
        given = (path, str(path), b"RIFF", bytearray(b"RIFF"), memoryview(b"RIFF"), opened, BytesIO(b"RIFF"))
        for audio in given:
            assert seen_by(client.transcribe(audio))["audio"] == "RIFF"
        with pytest.raises(FileNotFoundError):
            client.transcribe(tmp_path / "missing.wav")
        with pytest.raises(IsADirectoryError):
            client.transcribe(tmp_path)
        with pytest.raises(TypeError, match="binary mode"):
            client.transcribe(StringIO("RIFF"))
        with pytest.raises(TypeError, match="not list"):
            client.transcribe([0.0, 0.1])


def test_keywords_win_over_an_options_model() -> None:
    options = DiarizedAsrOptions(language="de", beam_size=2)
    request = diarized_transcription(options, {"beam_size": 3, "num_speakers": 2}, "all")
    assert request.options == {"language": "de", "beam_size": 3, "num_speakers": 2}
    assert request.parameters == {
        **request.options,
        "pipeline": "diarized_asr",
        "events": "all",
        "heartbeat": True,
    }


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
    fields: dict[str, Any], message: str, free_port: int, connect: Connect
) -> None:
    with connect(f"http://127.0.0.1:{free_port}") as client:
        with pytest.raises(InvalidOption, match=rf"^{message}"):
            client.transcribe_diarized(b"RIFF", **fields)
        with pytest.raises(InvalidOption, match=rf"^{message}"):
            client.stream(b"RIFF", **fields)
        with pytest.raises(InvalidOption, match=rf"^{message}"):
            client.transcribe_many([b"RIFF"], **fields)


def test_options_of_another_pipeline() -> None:
    with pytest.raises(InvalidOption, match=r"^beam_size: no such option"):
        any_of("diarization", WhisperParams(beam_size=2), {}, "all")
    with pytest.raises(
        InvalidOption, match=r"^pipeline: give one of diarized_asr, transcription, diarization"
    ):
        any_of("translation", None, {}, "all")  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match=r"^task: "):
        Client().translate(b"RIFF", task="transcribe")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("keywords", "model", "missing"),
    [
        (TranslationKeywords, WhisperParams, {"task"}),
        (WhisperKeywords, WhisperParams, set()),
        (DiarizationKeywords, PyannoteSpeakerDiarizationParams, set()),
        (DiarizedAsrKeywords, DiarizedAsrOptions, set()),
    ],
)
def test_keywords_are_the_fields_of_the_options(keywords: type, model: Any, missing: set[str]) -> None:
    fields = {name: field.annotation for name, field in model.model_fields.items() if name not in missing}
    assert get_type_hints(keywords) == fields


def test_both_clients_have_the_same_methods_and_signatures() -> None:
    def methods(client: type) -> dict[str, Any]:
        return {name: value for name, value in vars(client).items() if not name.startswith("_")}

    ours, theirs = methods(Client), methods(AsyncClient)
    assert ours.keys() - {"close"} == theirs.keys() - {"aclose"}
    assert signature(Client).parameters == signature(AsyncClient).parameters
    for name in ours.keys() - {"close"}:
        assert signature(ours[name]).parameters == signature(theirs[name]).parameters, name
        returned = str(signature(theirs[name]).return_annotation).replace("Async", "")
        assert returned == str(signature(ours[name]).return_annotation).replace(", None, None]", ", None]"), (
            name
        )
        assert ours[name].__doc__ == theirs[name].__doc__, name


def heard(**speakers: tuple[float, ...]) -> Callable[..., bytes]:
    """Answer with the voices of these speakers; their turns are of no interest here."""

    def answer(*call: Any) -> bytes:
        return json.dumps(json.loads(echo(*call)) | {"speaker_embeddings": speakers}).encode()

    return answer


def test_a_voice_is_enrolled_and_then_known(
    scheme: str, tmp_path: Path, serve: Serve, connect: Connect
) -> None:
    asked: list[tuple[str, dict[str, Any], bytes]] = []

    def answer(pipeline: str, parameters: dict[str, Any], audio: bytes, headers: dict[str, str]) -> bytes:
        asked.append((pipeline, parameters, audio))
        return heard(SPEAKER_00=(0.25, -1.0))(pipeline, parameters, audio, headers)

    path = tmp_path / "ann.wav"
    path.write_bytes(b"RIFF")
    with serve(scheme, answer) as url, connect(url) as client:
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


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (b"{}", "JSON: Unable to extract tag"),
        (b"<html>", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b'{"type": "info", "audio": {}}', "info.audio.duration: Field required"),
        (
            b'{"type": "result", "result": %b}' % echo("diarization", {}, b"", {"peer": ""}),
            "it is a diarization",
        ),
    ],
)
def test_an_event_this_client_does_not_know(event: bytes, said: str) -> None:
    with pytest.raises(InternalError, match=f"the answer to 'transcription' cannot be read .*{said}"):
        transcription(None, {}, "all").read(event)


def test_an_answer_without_a_result(scheme: str, serve: Serve, connect: Connect) -> None:
    with (
        serve(scheme, lambda *call: iter([])) as url,
        connect(url) as client,
        pytest.raises(InternalError, match="ended the stream without a result"),
    ):
        client.transcribe(b"RIFF")


def test_a_server_tells_about_itself(scheme: str, serve: Serve, connect: Connect) -> None:
    with serve(scheme) as url, connect(url) as client:
        assert client.is_ready() is True
        info = client.server_info()
    assert (info.url, info.live, info.ready, info.version) == (url, True, True, "2.51.0")
    assert info.models == {"transcription": True, "diarization": True, "diarized_asr": False}
    assert info.settings == {"whisper": "base", "upload_mb": "512"}


def test_a_url_may_have_a_path(serve: Serve, connect: Connect) -> None:
    with serve("http") as url, connect(f"{url}/asr/") as client:
        assert client.transcribe(b"RIFF").text == "Hello."
        assert client.is_ready() is True


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


def test_numbers_out_of_range(connect: Connect) -> None:
    for timeout_s in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="timeout_s"), connect(timeout_s=timeout_s):
            pass
        with connect() as client, pytest.raises(ValueError, match="timeout_s"):
            client.transcribe(b"RIFF", timeout_s=timeout_s)
    with pytest.raises(ValueError, match="retries"), connect(retries=-1):
        pass
    with connect() as client, pytest.raises(ValueError, match="concurrency"):
        client.transcribe_many([], concurrency=0)


def test_a_closed_client_is_of_no_use(free_port: int) -> None:
    with Client(f"grpc://127.0.0.1:{free_port}") as client:
        pass
    with pytest.raises(triologue.Cancelled):
        client.transcribe(b"RIFF")


def test_public_names_exist() -> None:
    assert all(hasattr(triologue, name) for name in triologue.__all__)
