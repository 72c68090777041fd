"""What the soak plans, counts and judges; how a server fares is not tested."""

import asyncio
import dataclasses
import os
import random
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.locust.clips import Clip
from benchmarks.processes import SHARED_MEMORY
from benchmarks.report import Goal
from benchmarks.soak import mixed, overload, overload_verdict, plot, streams
from benchmarks.soak.__main__ import PARTS, Part
from benchmarks.soak.calls import Ended, wrong_with
from benchmarks.soak.leaving import break_off_upload, hang_up
from benchmarks.soak.overload import Calls, Reply, offered, recovered, sustained
from benchmarks.soak.plain import http_request
from benchmarks.soak.plan import ENDS_WITH, SHARES, Ending, Planned, Way, endings, plan
from benchmarks.soak.sampling import Sample, Watch, abandoned_sockets
from benchmarks.soak.segments import Segments
from benchmarks.soak.streams import Stream, is_same
from benchmarks.soak.uploads import AUDIO_HOURS, UPLOAD_MB, Uploads
from benchmarks.soak.verdict import percentile
from triologue import (
    DiarizedTranscriptionResult,
    InvalidAudio,
    InvalidOption,
    PayloadTooLarge,
    TranscriptionResult,
    TriologueError,
)
from triologue.protocol.request import any_of
from triologue.schema import ErrorCode
from triologue_server.audio import decode_audio


@pytest.fixture(scope="module")
def uploads() -> Uploads:
    return Uploads.make(seed=3)


@pytest.fixture(scope="module")
def planned(uploads: Uploads) -> list[Planned]:
    return plan(1000, uploads, seed=5)


def told(request: Planned) -> dict[str, Any]:
    """Return a request, its recording by length: encoders give files numbers by chance."""
    return dataclasses.asdict(
        dataclasses.replace(request, clip=Clip(request.clip.label, request.clip.seconds, b""))
    )


class TestPlan:
    def test_the_same_seed_makes_the_same_plan(self) -> None:
        first, again = (plan(200, Uploads.make(seed=3), seed=5) for _ in range(2))
        other = plan(200, Uploads.make(seed=3), seed=6)
        assert [told(request) for request in first] == [told(request) for request in again]
        assert [told(request) for request in first] != [told(request) for request in other]

    def test_each_ending_has_its_share(self, planned: list[Planned]) -> None:
        made = Counter(request.ending for request in planned)
        assert {ending: made[ending] / 1000 for ending in SHARES} == dict(SHARES)
        assert set(made) == set(Ending) == set(ENDS_WITH)
        # A tenth of the callers leave, a tenth makes errors.
        leaving = {Ending.CLOSED, Ending.DROPPED, Ending.HUNG_UP, Ending.DEADLINE}
        wrong = {Ending.BROKEN, Ending.OPTION, Ending.TOO_LARGE, Ending.TOO_LONG}
        assert sum(made[ending] for ending in leaving) == sum(made[ending] for ending in wrong) == 100

    def test_few_requests_have_an_order_by_chance(self) -> None:
        found = endings(50, random.Random(1))
        assert len(found) == 50
        assert found != endings(50, random.Random(2))
        assert Counter(found)[Ending.ANSWER] > 35

    def test_everything_is_asked_for_in_every_way(self, planned: list[Planned]) -> None:
        answered = [request for request in planned if request.ending is Ending.ANSWER]
        assert {(request.way, request.pipeline) for request in answered} == {
            (way, pipeline) for way in Way for pipeline in ("transcription", "diarization", "diarized_asr")
        }
        assert {request.voice for request in answered} == {"", "vector", "clip"}
        assert {request.streams for request in answered if not request.way.is_plain} == {True, False}
        assert not any(request.streams for request in answered if request.way.is_plain)

    def test_only_what_is_to_be_refused_has_options_that_are(self, planned: list[Planned]) -> None:
        for request in planned:
            if request.ending is Ending.OPTION:
                assert request.way.is_plain
                with pytest.raises(InvalidOption):
                    any_of(request.pipeline, None, request.options, "result")
            else:
                any_of(request.pipeline, None, request.options, "result")

    def test_who_leaves_has_something_long_enough_to_leave(self, planned: list[Planned]) -> None:
        leaving = [request for request in planned if request.ends_with == "left"]
        assert min(request.clip.seconds for request in leaving) >= 30
        assert max(request.patience_s for request in leaving) < 1
        assert all(request.streams for request in leaving if request.ending is Ending.CLOSED)


class TestUploads:
    def test_lengths_and_containers(self, planned: list[Planned]) -> None:
        spoken = {request.clip.audio: request.clip for request in planned if request.ending is Ending.ANSWER}
        assert {audio[:4] for audio in spoken if isinstance(audio, bytes)} == {b"RIFF", b"fLaC", b"OggS"}
        seconds = [clip.seconds for clip in spoken.values()]
        assert 1 <= min(seconds) < 2
        assert 60 < max(seconds) <= 120
        assert max(len(audio) for audio in spoken if isinstance(audio, bytes)) < UPLOAD_MB * 1_000_000

    def test_what_is_broken_is_no_recording(self, uploads: Uploads) -> None:
        for clip in uploads.broken:
            assert isinstance(clip.audio, bytes)
            with pytest.raises(InvalidAudio):
                decode_audio(clip.audio, 60)

    def test_silence_is_silent_and_as_long_as_it_says(self, uploads: Uploads) -> None:
        for clip in uploads.silent:
            assert isinstance(clip.audio, bytes)
            decoded = decode_audio(clip.audio, 60)
            assert decoded.seconds == clip.seconds
            assert not decoded.samples.any()

    def test_what_is_too_much_is_more_than_the_server_takes(self, uploads: Uploads) -> None:
        large, long = uploads.too_large.audio, uploads.too_long.audio
        assert isinstance(large, bytes)
        assert isinstance(long, bytes)
        assert len(large) > UPLOAD_MB * 1_000_000 > len(long)
        with pytest.raises(PayloadTooLarge):
            decode_audio(long, AUDIO_HOURS * 3600)


def request_for(ending: Ending, seconds: float = 10.0, way: Way = Way.HTTP) -> Planned:
    clip = Clip("it", seconds, b"0123456789" * 100)
    return Planned(0, ending, way, "transcription", clip, {"language": "en"}, "", False, 1, 0.1)


def transcript(seconds: float, text: str) -> TranscriptionResult:
    segments = [{"text": text, "time_interval": {"start": 0.0, "end": 1.0}}] if text else []
    return TranscriptionResult.model_validate(
        {
            "audio": {"duration": seconds, "sample_rate": 16_000, "channels": 1},
            "processing": {"seconds": 1.0, "rtfx": seconds},
            "segments": segments,
            "transcription_info": {"language": "en", "language_confidence": 1.0},
            "transcription": {"text": text},
        }
    )


class TestAnswers:
    def test_right_ones(self) -> None:
        assert wrong_with(request_for(Ending.ANSWER), transcript(10.01, "Hello.")) == ""
        assert wrong_with(request_for(Ending.SILENCE), transcript(10.0, "")) == ""

    def test_wrong_ones(self) -> None:
        request = request_for(Ending.ANSWER)
        assert "another recording" in wrong_with(request, transcript(12.0, "Hello."))
        assert "silence" in wrong_with(request_for(Ending.SILENCE), transcript(10.0, "Thank you."))
        other = dataclasses.replace(request, pipeline="diarized_asr")
        assert wrong_with(other, transcript(10.0, "Hello.")) == "an answer of transcription"

    def test_nothing_but_the_time_it_took_may_differ(self) -> None:
        fields = {"turns": [], "type": "diarized_asr"}
        one, slow, other = (
            DiarizedTranscriptionResult.model_validate(
                {
                    **transcript(10.0, text).model_dump(),
                    **fields,
                    "processing": {"seconds": took, "rtfx": 1.0},
                }
            )
            for text, took in (("Hello.", 1.0), ("Hello.", 9.0), ("Hallo.", 1.0))
        )
        assert is_same(one, slow)
        assert not is_same(one, other)


REST = Sample(0.0, frozenset({7, 8}), 2, 1000.0, 50, 1, 100, Segments(3, 10.0, 2.0), 0, 0)


def values(goals: list[Goal]) -> dict[str, tuple[float, bool]]:
    return {goal.name.partition(": ")[2]: (goal.value, goal.holds) for goal in goals}


class TestMixed:
    RIGHT = (
        Ended(request_for(Ending.ANSWER), "answered", 1.0),
        Ended(request_for(Ending.BROKEN), "INVALID_AUDIO", 0.1, "it is not a media file"),
        Ended(request_for(Ending.CLOSED), "left", 0.5),
    )

    def test_all_is_well(self) -> None:
        after = dataclasses.replace(REST, at=60.0, memory_mb=1040.0, files=49, threads=104)
        goals = mixed.goals(mixed.Found(self.RIGHT, REST, after, [REST, after]))
        assert all(goal.holds for goal in goals)
        assert values(goals)["memory, growth in %"] == (pytest.approx(4.0), True)

    @pytest.mark.parametrize(
        ("changes", "goal", "value"),
        [
            ({"memory_mb": 1060.0}, "memory, growth in %", 6.0),
            ({"files": 51}, "open files, more than before", 1),
            ({"abandoned": 2}, "sockets without a connection, more than before", 1),
            ({"threads": 106}, "threads, more than before", 6),
            ({"shared": Segments(4, 10.0, 2.0)}, "segments of shared memory, more than before", 1),
            ({"shared": Segments(3, 10.0, 4.5)}, "shared memory in use, more than before in MB", 2.5),
            ({"shared": Segments(3, 10.6, 2.0)}, "shared memory ever written, growth in %", 6.0),
            ({"processes": frozenset({7, 9})}, "processes that ended or came", 2),
            ({"in_flight": 2, "pending": 1}, "recordings and requests without an end", 3),
            ({"pending": None}, "recordings and requests without an end", 1),
        ],
    )
    def test_a_server_that_does_not_stay_as_it_is(
        self, changes: dict[str, Any], goal: str, value: float
    ) -> None:
        after = dataclasses.replace(REST, at=60.0, **changes)
        found = values(mixed.goals(mixed.Found(self.RIGHT, REST, after, [])))
        assert found.pop(goal) == (pytest.approx(value), False)
        assert all(holds for _, holds in found.values())

    def test_requests_that_end_otherwise(self) -> None:
        wrong = [
            Ended(request_for(Ending.ANSWER), "INTERNAL", 1.0, "it broke"),
            Ended(request_for(Ending.BROKEN), "answered", 1.0),
            Ended(request_for(Ending.CLOSED), "DEADLINE_EXCEEDED", 900.0),
            Ended(request_for(Ending.ANSWER), "an answer to another recording", 1.0),
        ]
        found = mixed.Found([*self.RIGHT, *wrong], REST, REST, [])
        assert values(mixed.goals(found))["requests that did not end as planned"] == (4, False)
        lines = {line["what"]: line for line in mixed.rows(found) if line["unit"] == "requests"}
        assert (lines["answer"]["number"], lines["answer"]["as planned"]) == (3, 1)
        assert (lines["broken file"]["number"], lines["broken file"]["as planned"]) == (2, 1)
        assert lines["by client, http"]["number"] == 7
        assert "INTERNAL after 1.0 s, it broke" in str(wrong[0])
        assert "0123" not in str(wrong[0])

    def test_what_is_taken_up(self) -> None:
        busy = dataclasses.replace(REST, memory_mb=1200.0, threads=120)
        lines = mixed.rows(mixed.Found(self.RIGHT, REST, dataclasses.replace(REST, at=60.0), [busy]))
        memory, threads = (
            next(line for line in lines if line["what"] == what) for what in ("memory", "threads")
        )
        assert (memory["before"], memory["most"], memory["after"]) == (1000.0, 1200.0, 1000.0)
        assert (threads["before"], threads["most"], threads["after"]) == (100, 120, 100)


REFUSED = Reply(0.05, ErrorCode.OVERLOADED, retry_after_s=2.0, message="try again in 2 s")


def overloaded(**changes: Any) -> overload.Found:
    found = overload.Found(
        sustainable=2.0,
        alone_s=1.0,
        places=80,
        load_s=10.0,
        replies=[Reply(40.0)] * 20 + [REFUSED] * 180,
        drained_s=40.0,
        recovered_s=1.5,
        generator=0.1,
        before=REST,
        samples=[dataclasses.replace(REST, memory_mb=memory) for memory in (1000.0, 1100.0, 1110.0, 1050.0)],
        after=REST,
    )
    return dataclasses.replace(found, **changes)


class TestOverload:
    def test_all_is_well(self) -> None:
        goals = overload_verdict.goals(overloaded())
        assert all(goal.holds for goal in goals)
        (bound,) = (goal.goal for goal in goals if "answers, p95" in goal.name)
        assert bound == 1.5 * 80 / 2.0

    @pytest.mark.parametrize(
        ("changes", "goal", "value"),
        [
            ({"replies": [Reply(70.0)] * 20}, "answers, p95 s", 70.0),
            ({"replies": [dataclasses.replace(REFUSED, seconds=3.0)]}, "refusals, p95 s", 3.0),
            (
                {"replies": [dataclasses.replace(REFUSED, retry_after_s=None)] * 2},
                "refusals without a hint when to come again",
                2,
            ),
            # Once it is worked on it is not to be refused any more.
            (
                {"replies": [dataclasses.replace(REFUSED, has_begun=True)]},
                "calls neither answered nor refused",
                1,
            ),
            ({"replies": [Reply(1.0, ErrorCode.INTERNAL)] * 3}, "calls neither answered nor refused", 3),
            ({"recovered_s": 11.0}, "last answer to a call as before, s", 11.0),
            (
                {"samples": [dataclasses.replace(REST, memory_mb=memory) for memory in (1000, 1100)]},
                "memory, second half above first in %",
                10.0,
            ),
            ({"after": dataclasses.replace(REST, in_flight=1)}, "recordings and requests without an end", 1),
            (
                {"after": dataclasses.replace(REST, processes=frozenset({7}))},
                "processes that ended or came",
                1,
            ),
        ],
    )
    def test_what_should_not_be(self, changes: dict[str, Any], goal: str, value: float) -> None:
        found = values(overload_verdict.goals(overloaded(**changes)))
        assert found.pop(goal) == (pytest.approx(value), False)
        assert all(holds for _, holds in found.values())

    def test_lines(self) -> None:
        odd = Reply(1.0, ErrorCode.INTERNAL)
        lines = overload_verdict.rows(overloaded(replies=[Reply(4.0), Reply(8.0), REFUSED, odd]))
        found = {(line["what"], line["unit"]): line for line in lines}
        assert found["offered", "calls/s"]["number"] == 0.4
        assert found["answered", "calls; s"] == {
            "part": "overload",
            "what": "answered",
            "unit": "calls; s",
            "number": 2,
            "p50": 4.0,
            "p95": 8.0,
            "most": 8.0,
        }
        assert found["refused", "calls; s"]["number"] == 1
        assert (found["OVERLOADED", "calls"]["number"], found["INTERNAL", "calls"]["number"]) == (1, 1)
        assert found["hint", "s"]["p50"] == 2.0
        assert found["last call to a call as before", "s"]["number"] == 41.5

    def test_nobody_answered_and_nobody_refused(self) -> None:
        assert values(overload_verdict.goals(overloaded(replies=[], samples=[])))["answers, p95 s"] == (
            0.0,
            True,
        )
        assert overload_verdict.rows(overloaded(replies=[], samples=[]))


class Instant(Calls):
    """Calls of a server that takes so long for each, one after the other."""

    def __init__(self, *seconds: float) -> None:
        super().__init__([], [])
        self._seconds = list(seconds)
        self.made = 0

    async def make(self) -> Reply:
        self.made += 1
        await asyncio.sleep(0.005)
        return Reply(self._seconds.pop(0) if self._seconds else 1.0)


class TestCalls:
    def test_calls_are_made_whether_earlier_ones_are_answered_or_not(self) -> None:
        class Never(Calls):
            async def make(self) -> Reply:
                await asyncio.Event().wait()
                raise AssertionError

        async def load() -> int:
            tasks = await offered(Never([], []), 200.0, 0.5)
            for task in tasks:
                task.cancel()
            return len(tasks)

        assert 60 <= asyncio.run(load()) <= 140

    def test_callers_wait_for_their_answers(self) -> None:
        calls = Instant()
        rate = asyncio.run(sustained(calls, 0.2))
        assert 0 < rate <= calls.made / 0.2

    def test_a_server_has_recovered_when_a_call_is_as_fast_as_before(self) -> None:
        calls = Instant(5.0, 4.0, 1.6, 1.5, 9.0)
        assert asyncio.run(recovered(calls, 1.5)) > 0
        assert calls.made == 4


class TestStreams:
    def test_all_is_well(self) -> None:
        rounds = [[Stream(1.0, True)] * 3, [Stream(2.0, True)] * 3]
        found = streams.Found(rounds, REST, [], REST)
        assert all(goal.holds for goal in streams.goals(found))
        first, second = streams.rows(found)[:2]
        assert (first["what"], first["number"], first["most"]) == ("round 1, 3 streams", 3, 1.0)
        assert (second["what"], second["p50"]) == ("round 2, 3 streams", 2.0)

    def test_what_should_not_be(self) -> None:
        odd = [Stream(1.0, True), Stream(1.0, False), Stream(9.0, False, "INTERNAL: it broke")]
        after = dataclasses.replace(REST, processes=frozenset({7, 8, 9}))
        goals = values(streams.goals(streams.Found([odd], REST, [], after)))
        assert goals["streams without an answer"] == (1, False)
        assert goals["answers other than that of the recording alone"] == (1, False)
        assert goals["processes that ended or came"] == (1, False)


def test_percentiles() -> None:
    assert percentile([], 95) == 0.0
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile(range(1, 101), 95) == 95


class TestPicture:
    SAMPLES = tuple(
        dataclasses.replace(REST, at=float(second), memory_mb=1000.0 + second % 7) for second in range(1000)
    )

    def test_it_is_small_and_always_the_same(self, tmp_path: Path) -> None:
        first, again = tmp_path / "a.svg", tmp_path / "b.svg"
        plot.write(self.SAMPLES, first)
        plot.write(self.SAMPLES, again)
        assert first.read_bytes() == again.read_bytes()
        assert first.stat().st_size < 60_000
        text = first.read_text(encoding="utf-8")
        assert "memory, MB" in text
        assert "dc:date" not in text

    def test_few_points_stand_for_all(self) -> None:
        chosen = plot.thinned(self.SAMPLES)
        assert len(chosen) <= plot.POINTS
        # Peaks are not lost.
        assert {sample.memory_mb for sample in chosen[:-1]} == {1006.0}
        assert plot.thinned(self.SAMPLES[:3]) == list(self.SAMPLES[:3])

    def test_a_server_that_does_not_tell_is_drawn_too(self, tmp_path: Path) -> None:
        plot.write([dataclasses.replace(REST, in_flight=None)], tmp_path / "one.svg")
        assert (tmp_path / "one.svg").stat().st_size


METRICS = """\
# TYPE triologue_recordings_in_flight gauge
triologue_recordings_in_flight 3
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{model="whisper",version="1"} 2
nv_inference_pending_request_count{model="diarization",version="1"} 4
"""


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(METRICS.encode())

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def metrics_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join()


class TestWatch:
    def test_a_look_at_a_process(self, metrics_url: str, tmp_path: Path) -> None:
        prefix = f"triologue_test_{os.getpid()}_"
        segment = SHARED_MEMORY / f"{prefix}a"
        code = "import sys, threading; threading.Thread(target=sys.stdin.read).start(); print(flush=True)"
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                segment.write_bytes(bytes(40) + struct.pack("<QQ", 30_000, 100_000) + bytes(99_944))
                with Watch(metrics_url, prefix, interval_s=0.02) as watch:
                    found = watch.look()
                    while len(watch.samples) < 5:
                        watch.look()
            finally:
                segment.unlink()
                child.communicate()
        assert child.pid in found.processes
        assert found.memory_mb > 1
        assert found.threads >= 2
        assert found.files >= 3
        assert found.shared == (1, pytest.approx(0.1, abs=0.01), 0.03)
        assert (found.in_flight, found.pending, found.unfinished) == (3, 6, 9)
        assert [sample.at for sample in watch.samples] == sorted(sample.at for sample in watch.samples)

    def test_a_server_that_does_not_tell(self) -> None:
        with Watch("http://127.0.0.1:9/metrics", "triologue_no_such_") as watch:
            assert watch.look().unfinished is None


def test_a_socket_without_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as ours:
        before = abandoned_sockets([os.getpid()])
        ours.connect(listening.getsockname())
        theirs, _ = listening.accept()
        with theirs:
            assert abandoned_sockets([os.getpid()]) == before - 1
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert abandoned_sockets([os.getpid()]) == before


class TestLeaving:
    @pytest.mark.parametrize("way", [Way.HTTP, Way.PLAIN_HTTP])
    def test_half_of_an_upload_is_sent(self, way: Way) -> None:
        got = asyncio.run(_received(request_for(Ending.DROPPED, way=way)))
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if way is Way.PLAIN_HTTP:
            assert b"/v2/models/transcription/infer" in head
            assert len(http_request(b"0123456789" * 100, {"language": "en"})[1]) // 2 == len(body)
        else:
            assert b"/generate_stream" in head
            assert len(body) == length // 2

    def test_who_hangs_up_does_not_wait(self) -> None:
        async def call() -> list[str]:
            ended: list[str] = []

            async def wait() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append("cancelled")

            await hang_up(wait(), 0.01)
            return ended

        assert asyncio.run(call()) == ["cancelled"]

    def test_what_went_wrong_before_is_told(self) -> None:
        async def refuse() -> None:
            raise InvalidAudio("it is none")

        with pytest.raises(TriologueError, match="it is none"):
            asyncio.run(hang_up(refuse(), 10.0))


async def _received(request: Planned) -> bytes:
    """Return what a server gets of an upload that is broken off."""
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await break_off_upload(f"http://127.0.0.1:{port}", request, {"language": "en"})
        return await asyncio.wait_for(got, 10)


def test_everything_can_be_measured_by_itself() -> None:
    assert set(PARTS) == set(Part)
    assert mixed.QUICK.requests < mixed.FULL.requests == 1000
    assert overload.FULL.overload_s == 300
