"""What a server tells of each request: a trace from the caller to the cores, and a line of the log."""

import json
from typing import Any

import pytest

from tests.server.collector import Collected
from tests.server.observed import PLAIN_ID, PLAIN_SPAN, PLAIN_TRACE, Observed
from triologue_server.triton.output import RECORDING, parse

CLIENT, SERVER = 3, 2
"""Kinds of spans, by their numbers in OpenTelemetry's protocol."""
STAGES = {"decoding", "segmentation", "embedding", "clustering", "transcription", "attribution"}
CORES = {
    "segmentation": "pyannote_segmentation",
    "embedding": "speaker_embedding",
    "transcription": "whisper",
}


def named(observed: Observed, name: str) -> list[Collected]:
    return [span for span in observed.spans if span.name == name]


def beneath(observed: Observed, parent: Collected) -> list[Collected]:
    return [span for span in observed.spans if (span.trace, span.parent) == (parent.trace, parent.id)]


def told(observed: Observed) -> list[dict[str, Any]]:
    """The lines of the log about recordings."""
    lines = [parse(line)[1].partition(" ") for line in observed.output]
    return [json.loads(fields) for kind, _, fields in lines if kind == RECORDING and fields.startswith("{")]


@pytest.fixture(params=[0, 1], ids=["http", "grpc"])
def transport(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def request_of(observed: Observed, call: Collected) -> Collected:
    """The conductor's span beneath a client's."""
    (request,) = beneath(observed, call)
    return request


def test_a_call_is_one_trace_from_the_client_to_the_cores(observed: Observed, transport: int) -> None:
    call = named(observed, "triologue diarized_asr")[transport]
    assert (call.kind, call.parent, call.process["service.name"]) == (CLIENT, "", "caller")
    request = request_of(observed, call)
    assert (request.name, request.kind, request.failed) == ("diarized_asr", SERVER, "")
    assert request.process["service.name"] == "triologue"
    assert request.process["triton.model"] == "diarized_asr_stream"
    assert request.attributes["audio.seconds"] == 12.0
    stages = {span.name: span for span in beneath(observed, request)}
    assert STAGES | {"waiting"} <= set(stages)
    for stage, core in CORES.items():
        asked = [span for span in beneath(observed, stages[stage]) if span.name == core]
        assert asked
        for span in asked:
            assert (span.kind, span.events) == (CLIENT, ["sent"])
            (computing,) = beneath(observed, span)
            assert computing.process["triton.model"] == core
            assert computing.attributes["batch.requests"] >= 1
            assert span.start <= computing.start <= computing.end <= span.end
    for span in stages.values():
        assert request.start <= span.start <= span.end <= request.end


def test_an_error_marks_the_request(observed: Observed, transport: int) -> None:
    call = named(observed, "triologue transcription")[transport]
    request = request_of(observed, call)
    assert (call.failed, request.failed) == ("INVALID_AUDIO", "INVALID_AUDIO")


def test_plain_callers_say_in_headers_whose_trace_it_is(observed: Observed) -> None:
    over_http, over_grpc = [span for span in observed.spans if span.parent == PLAIN_SPAN]
    assert (over_http.name, over_grpc.name) == ("diarized_asr", "diarization")
    assert {span.trace for span in (over_http, over_grpc)} == {PLAIN_TRACE}
    assert {span.attributes["request.id"] for span in (over_http, over_grpc)} == {PLAIN_ID}


def test_every_request_has_a_line(observed: Observed) -> None:
    lines = told(observed)
    assert [(line.get("pipeline"), line["code"]) for line in lines] == [
        ("diarization", "OK"),
        *[("diarized_asr", "OK"), ("transcription", "INVALID_AUDIO")] * 2,
        ("diarized_asr", "OK"),
        *[(None, "INVALID_OPTION")] * 2,
        ("diarization", "OK"),
    ]
    answered = lines[1]
    assert answered["audio_seconds"] == 12.0
    assert answered["speakers"] >= 1
    assert set(answered["stages"]) == STAGES
    assert answered["waited_seconds"] <= answered["seconds"]
    assert lines[2]["why"].startswith("the upload is not a media file")
    assert "why" not in lines[-2]


def test_a_line_an_answer_and_an_error_have_the_id_of_the_trace(observed: Observed, transport: int) -> None:
    call = named(observed, "triologue diarized_asr")[transport]
    line = told(observed)[1 + 2 * transport]
    assert line["request_id"] == call.attributes["request.id"]
    assert line["request_id"] == observed.results[transport].processing.request_id
    assert line["trace_id"] == call.trace
    refused = told(observed)[2 + 2 * transport]
    assert refused["request_id"] == observed.errors[transport].request_id


def test_a_request_without_a_name_gets_one(observed: Observed) -> None:
    ids = [line["request_id"] for line in told(observed)]
    assert ids.count(PLAIN_ID) == 2
    others = [name for name in ids if name != PLAIN_ID]
    assert len({*others}) == len(others)
    assert all(len(name) == 32 for name in others)
