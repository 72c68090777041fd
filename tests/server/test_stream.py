"""The stream model: events in order, one final flag, or one error."""

import base64
import json
import queue
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc

from tests.server.recordings import silence
from triologue import (
    DiarizationResult,
    DiarizedTranscriptionResult,
    InfoEvent,
    ProgressEvent,
    ResultEvent,
    SegmentEvent,
    TranscriptionResult,
    TriologueError,
    parse_event,
)
from triologue.schema import Event
from triologue_server.triton.server import TritonServer


def stream(triton: TritonServer, upload: bytes, **parameters: Any) -> tuple[list[Event], list[str], int]:
    """Return the events, the errors and the number of final flags of one request."""
    replies: queue.Queue[tuple[Any, Any]] = queue.Queue()
    audio = tritonclient.grpc.InferInput("AUDIO", [1], "BYTES")
    audio.set_data_from_numpy(np.array([upload], object))
    events: list[Event] = []
    errors: list[str] = []
    finals = 0
    with tritonclient.grpc.InferenceServerClient(triton.grpc_url.removeprefix("grpc://")) as client:
        client.start_stream(lambda result, error: replies.put((result, error)))
        client.async_stream_infer(
            "diarized_asr_stream", [audio], parameters=parameters, enable_empty_final_response=True
        )
        result, error = replies.get(timeout=120)
        while True:
            if error is not None:
                errors.append(error.message())
            else:
                finals += result.get_response().parameters["triton_final_response"].bool_param
                if (tensor := result.as_numpy("EVENT")) is not None:
                    events.append(parse_event(tensor[0]))
            try:
                # The last reply is out, or a second one would have come by now.
                result, error = replies.get(timeout=1.0 if finals or errors else 120.0)
            except queue.Empty:
                break
        client.stop_stream()
    return events, errors, finals


def test_events_come_in_order(triton: TritonServer, sample: Path) -> None:
    events, errors, finals = stream(triton, sample.read_bytes())
    assert (errors, finals) == ([], 1)
    assert isinstance(events[0], InfoEvent)
    assert events[0].audio.duration == 30.0
    assert isinstance(events[-1], ResultEvent)
    result = events[-1].result
    assert isinstance(result, DiarizedTranscriptionResult)
    segments = [event.segment for event in events if isinstance(event, SegmentEvent)]
    assert "".join(segment.text for segment in segments).strip() == result.text
    progress = [event for event in events if isinstance(event, ProgressEvent)]
    assert {event.stage for event in progress} == {"segmentation", "embedding", "transcription"}
    assert len(events) == 2 + len(segments) + len(progress)


def test_segments_come_while_the_window_slides_on(triton: TritonServer, sample: Path) -> None:
    options = {"mode": "sequential", "vad_filter": False, "temperature": 0.0}
    events, errors, finals = stream(triton, sample.read_bytes(), pipeline="transcription", **options)
    assert (errors, finals) == ([], 1)
    progress = [at for at, event in enumerate(events) if isinstance(event, ProgressEvent)]
    segments = [at for at, event in enumerate(events) if isinstance(event, SegmentEvent)]
    assert len(progress) > 1
    assert segments[0] < progress[0] < segments[-1]
    assert events[progress[-1]] == ProgressEvent(stage="transcription", completed=30.0, total=30.0)


@pytest.mark.parametrize(
    ("pipeline", "answer"), [("transcription", TranscriptionResult), ("diarization", DiarizationResult)]
)
def test_each_pipeline_and_the_result_alone(triton: TritonServer, pipeline: str, answer: type) -> None:
    events, errors, finals = stream(triton, silence(2), pipeline=pipeline, events="result")
    assert (errors, finals) == ([], 1)
    assert [type(event) for event in events] == [ResultEvent]
    assert type(events[0].result) is answer  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("upload", "parameters", "message"),
    [
        (b"", {}, "the upload is empty"),
        (silence(1), {"beam_size": 0}, "beam_size: "),
        (silence(1), {"pipeline": "diarization", "beam_size": 5}, "beam_size: no such option"),
        (silence(1), {"pipeline": "translation"}, "pipeline: "),
    ],
)
def test_an_error_ends_the_stream_once(
    triton: TritonServer, upload: bytes, parameters: dict[str, Any], message: str
) -> None:
    events, errors, _ = stream(triton, upload, **parameters)
    assert events == []
    assert len(errors) == 1
    error = TriologueError.from_wire(errors[0])
    assert error is not None
    assert error.message.startswith(message)


def test_a_heartbeat_is_a_reply_without_an_event(triton: TritonServer, sample: Path) -> None:
    url = f"{triton.http_url}/v2/models/diarized_asr_stream/generate_stream"
    body = {"AUDIO": base64.b64encode(sample.read_bytes()).decode(), "encoding": "base64", "events": "result"}
    with httpx.stream("POST", url, json=body | {"heartbeat": True, "beam_size": 1}, timeout=120) as reply:
        replies = [json.loads(line.removeprefix("data: ")) for line in reply.iter_lines() if line]
    *beats, last = replies
    assert beats
    assert all(beat == {"model_name": "diarized_asr_stream", "model_version": "1"} for beat in beats)
    assert isinstance(parse_event(last["EVENT"]), ResultEvent)


def test_a_recording_as_text(triton: TritonServer, sample: Path) -> None:
    """JSON holds no bytes: over HTTP alone, the way of every language that has no client of ours."""
    body = {"AUDIO": base64.b64encode(sample.read_bytes()).decode(), "encoding": "base64", "events": "result"}
    reply = httpx.post(
        f"{triton.http_url}/v2/models/diarized_asr_stream/generate", json=body | {"beam_size": 1}, timeout=120
    )
    event = parse_event(reply.json()["EVENT"])
    assert isinstance(event, ResultEvent)
    assert isinstance(event.result, DiarizedTranscriptionResult)
    assert "Hello" in event.result.text


@pytest.mark.parametrize("text", ["no base64!", "UklGRg", "Grüße"])
def test_text_that_is_no_recording(text: str, triton: TritonServer) -> None:
    reply = httpx.post(
        f"{triton.http_url}/v2/models/diarized_asr_stream/generate",
        json={"AUDIO": text, "encoding": "base64"},
    )
    assert reply.status_code == 400
    assert reply.json()["error"].startswith("INVALID_AUDIO: the upload is not base64 text")
