"""Both clients against a real server."""

import asyncio
import wave
from pathlib import Path

import numpy as np

from tests.full import full_over
from triologue import (
    AsyncClient,
    Client,
    DiarizationResult,
    DiarizedTranscriptionResult,
    InfoEvent,
    InvalidAudio,
    ProgressEvent,
    ResultEvent,
    SegmentEvent,
)


@full_over("client_url", "http", always="grpc")
def test_both_clients_give_the_same_answer(client_url: str, client: Client, sample: Path) -> None:
    async def ask() -> DiarizedTranscriptionResult:
        async with AsyncClient(client_url) as asynchronous:
            return await asynchronous.transcribe_diarized(sample, temperature=0.0)

    ours, theirs = client.transcribe_diarized(sample, temperature=0.0), asyncio.run(ask())
    assert ours.segments == theirs.segments
    assert ours.turns == theirs.turns


@full_over("client_url", "http", always="grpc")
def test_samples_are_heard_as_their_file_is(client: Client, sample: Path) -> None:
    with wave.open(str(sample)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
        rate = reader.getframerate()
    file = client.transcribe(sample, temperature=0.0)
    for kind in (samples, samples.astype(np.float32) / 32768, samples.astype(np.float64)[:, None] / 32768):
        heard = client.transcribe((kind, rate), temperature=0.0)
        assert heard.segments == file.segments
        assert heard.audio == file.audio


def test_a_stream_tells_what_the_result_holds(client: Client, sample: Path) -> None:
    *events, last = client.stream(sample, pipeline="transcription", temperature=0.0)
    assert isinstance(events[0], InfoEvent)
    assert isinstance(last, ResultEvent)
    segments = [event.segment for event in events if isinstance(event, SegmentEvent)]
    assert segments == last.result.segments  # type: ignore[union-attr]
    done = [event.completed for event in events if isinstance(event, ProgressEvent)]
    assert done[-1] == 30.0


def test_many_recordings_and_one_that_is_none(client_url: str, sample: Path) -> None:
    recordings = [sample, b"no recording", str(sample)]
    with Client(client_url) as client:
        ours = list(client.transcribe_many(recordings, pipeline="diarization", concurrency=3))

    async def ask() -> list[object]:
        async with AsyncClient(client_url) as asynchronous:
            outcomes = asynchronous.transcribe_many(recordings, pipeline="diarization", concurrency=3)
            return [outcome.result or type(outcome.error) async for outcome in outcomes]

    theirs = asyncio.run(ask())
    for found in ([outcome.result or type(outcome.error) for outcome in ours], theirs):
        first, second, third = found
        assert isinstance(first, DiarizationResult)
        assert isinstance(third, DiarizationResult)
        assert second is InvalidAudio
        assert first.turns == third.turns


def test_a_server_tells_what_it_runs(client: Client) -> None:
    info = client.server_info()
    assert info.ready
    assert info.models == {"transcription": True, "diarization": True, "diarized_asr": True}
    assert info.settings == {
        "whisper": "base",
        "compute_type": "int8",
        "diarization": "embedded",
        "upload_mb": "8",
        "audio_hours": "0.05",
    }
