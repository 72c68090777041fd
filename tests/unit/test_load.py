"""What the load test decides and counts; how fast anything is, is not tested.

Locust changes how a process waits, so it runs in processes of its own.
"""

import argparse
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks.encoded import Format, seconds_of, write_audio
from benchmarks.locust.arrivals import Arrivals
from benchmarks.locust.calls import Answer
from benchmarks.locust.clips import Clip, Clips
from benchmarks.locust.measurement import Line, Measurement, Window, join
from benchmarks.locust.mix import Kind, Length, kinds_of, lengths_of, pick
from benchmarks.locust.options import Options, Workload, add_options
from benchmarks.locust.steps import Ramp, Seen, Soak, Step, saturation
from benchmarks.locust.tally import Tally, together
from benchmarks.locust.triton import Counters, ModelUse, used
from benchmarks.locust.verdict import goals, name_of, rows, steadiness
from triologue_server.audio import decode_audio

ROOT = Path(__file__).parents[2]


class TestMix:
    def test_weights(self) -> None:
        assert kinds_of("diarized:6, stream") == {Kind.DIARIZED: 6.0, Kind.STREAM: 1.0}
        assert lengths_of("10:5,60-300:2") == {Length(10, 10): 5.0, Length(60, 300): 2.0}

    def test_labels(self) -> None:
        assert [length.label for length in lengths_of("10,2.5,60-300")] == ["10 s", "2.5 s", "60-300 s"]

    @pytest.mark.parametrize("text", ["", "0", "20-10", "ten", "10:-1,20:2", "10:0"])
    def test_what_is_no_mix_of_lengths(self, text: str) -> None:
        with pytest.raises(ValueError, match=r".+"):
            lengths_of(text)

    def test_each_is_picked_as_often_as_its_weight_says(self) -> None:
        chance = random.Random(1)
        picked = [pick({"a": 3.0, "b": 1.0, "c": 0.0}, chance) for _ in range(4000)]
        assert picked.count("a") / 4000 == pytest.approx(0.75, abs=0.03)
        assert "c" not in picked

    def test_lengths_of_a_range_differ(self) -> None:
        chance = random.Random(1)
        drawn = [Length(60, 300).draw(chance) for _ in range(100)]
        assert 60 <= min(drawn) < 80
        assert 280 < max(drawn) <= 300
        assert Length(10, 10).draw(chance) == 10


class TestClips:
    def test_clips_begin_elsewhere_in_formats_that_take_turns(self) -> None:
        clips = Clips.cut(
            {Length(2, 2): 1.0, Length(3, 4): 1.0}, [Format.WAV, Format.FLAC], 2, random.Random(1)
        )
        chosen = {clip.audio: clip for clip in (clips.choose() for _ in range(100))}
        assert len(chosen) == 4
        assert sorted(audio[:4] for audio in chosen) == [b"RIFF", b"RIFF", b"fLaC", b"fLaC"]
        for audio, clip in chosen.items():
            assert decode_audio(audio, 10.0).seconds == pytest.approx(clip.seconds, abs=0.001)
            assert clip.label == ("2 s" if clip.seconds == 2 else "3-4 s")

    def test_classes_are_chosen_by_weight(self) -> None:
        classes = [(1.0, [Clip("a", 1.0, b"a")]), (3.0, [Clip("b", 1.0, b"b"), Clip("c", 1.0, b"c")])]
        clips = Clips(classes, random.Random(1))
        labels = [clips.choose().label for _ in range(4000)]
        assert labels.count("a") / 4000 == pytest.approx(0.25, abs=0.03)
        assert labels.count("b") / 4000 == pytest.approx(0.375, abs=0.03)

    def test_recordings_of_a_data_folder_are_sent_as_they_are(self, tmp_path: Path) -> None:
        write_audio(np.zeros(32_000, np.int16), tmp_path / "short.flac")
        write_audio(np.zeros(70 * 16_000, np.int16), tmp_path / "long.flac")
        (tmp_path / "manifest.jsonl").write_text(
            '{"audio": "short.flac", "language": "de"}\n{"audio": "long.flac"}\n'
        )
        clips = Clips.of_folder(tmp_path, random.Random(1))
        chosen = {clip.audio: clip for clip in (clips.choose() for _ in range(50))}
        short, long = (tmp_path / name for name in ("short.flac", "long.flac"))
        assert chosen == {
            short: Clip("up to 1 min", seconds_of(short), short, "de"),
            long: Clip("up to 5 min", seconds_of(long), long),
        }


class TestArrivals:
    def test_they_come_at_the_rate_independently_of_each_other(self) -> None:
        arrivals = Arrivals(2.0, random.Random(1))
        now, times = 0.0, []
        for _ in range(4000):
            now += arrivals.pause(now)
            times.append(now)
        gaps = np.array([later - earlier for earlier, later in pairwise(times)])
        assert gaps.mean() == pytest.approx(0.5, rel=0.05)
        # Of a Poisson process the gaps deviate by as much as they last.
        assert gaps.std() == pytest.approx(0.5, rel=0.05)

    def test_who_was_held_up_makes_up_for_it(self) -> None:
        prompt, late = Arrivals(10.0, random.Random(1)), Arrivals(10.0, random.Random(1))
        due = 0.0
        for _ in range(20):
            due += prompt.pause(due)
        assert late.pause(0.0) > 0.0
        assert [late.pause(due) for _ in range(18)] == [0.0] * 18
        assert late.pause(due - 0.001) == pytest.approx(0.001)


class TestOptions:
    def test_those_of_the_command_line(self) -> None:
        parser = Parser()
        add_options(parser)  # type: ignore[arg-type]
        assert Options.of(parser.parse_args([])) == Options()
        parsed = Options.of(
            parser.parse_args(["--workload", "open", "--rate", "0.5", "--other-host", "http://a"])
        )
        assert (parsed.workload, parsed.rate, parsed.other_host) == (Workload.OPEN, 0.5, "http://a")
        # They go to workers as they are.
        assert {type(value) for value in vars(parser.parse_args([])).values()} == {str, int, float}

    def test_what_the_web_page_cannot_change(self) -> None:
        parser = Parser()
        add_options(parser)  # type: ignore[arg-type]
        assert parser.hidden == {"--workload", "--other-host", "--result"}

    @pytest.mark.parametrize(
        "wrong", [{"lengths": "ten"}, {"pipelines": "singing:1"}, {"formats": "mp3"}, {"rate": 0}]
    )
    def test_what_cannot_be_read_is_refused_at_once(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            Options(**wrong)


class Parser(argparse.ArgumentParser):
    """Takes what Locust's takes besides."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: set[str] = set()

    def add_argument(self, *names: str, include_in_web_ui: bool = True, **options: Any) -> argparse.Action:
        if not include_in_web_ui:
            self.hidden.add(names[0])
        return super().add_argument(*names, **options)


def follow(ramp: Ramp, throughputs: dict[int, float], failing: int = 1000) -> list[int]:
    """Return the users of each second of a ramp; so many have such a throughput, and `failing` errors."""
    audio, errors, found = 0.0, 0, []
    for second in range(10_000):
        users = ramp.users(Seen(float(second), audio, errors))
        if users is None:
            return found
        found.append(users)
        audio += throughputs[users]
        errors += users >= failing
    raise AssertionError("the ramp has no end")


class TestRamp:
    def test_ends_when_more_users_bring_nothing(self) -> None:
        ramp = Ramp(add=2, most=100, seconds=40)
        users = follow(ramp, {2: 5.0, 4: 9.0, 6: 12.0, 8: 12.1, 10: 12.2})
        assert [step.users for step in ramp.steps] == [2, 4, 6, 8, 10]
        assert [step.throughput for step in ramp.steps] == pytest.approx([5.0, 9.0, 12.0, 12.1, 12.2])
        assert [users.count(number) for number in (2, 4, 6, 8, 10)] == [40] * 5
        assert saturation(ramp.steps) == ramp.steps[2]

    def test_one_poor_step_does_not_end_it(self) -> None:
        ramp = Ramp(add=1, most=5, seconds=10)
        follow(ramp, {1: 5.0, 2: 4.0, 3: 8.0, 4: 9.0, 5: 10.0})
        assert [step.users for step in ramp.steps] == [1, 2, 3, 4, 5]
        # More than five users may do better still.
        assert saturation(ramp.steps) is None

    def test_ends_when_requests_fail(self) -> None:
        ramp = Ramp(add=3, most=100, seconds=10)
        follow(ramp, {3: 5.0, 6: 10.0, 9: 15.0}, failing=9)
        assert [step.errors > 0 for step in ramp.steps] == [False, False, True]
        assert saturation(ramp.steps) == ramp.steps[1]

    def test_last_step_has_the_most_users(self) -> None:
        ramp = Ramp(add=2, most=3, seconds=10)
        assert set(follow(ramp, {2: 1.0, 3: 2.0})) == {2, 3}
        assert Ramp(add=8, most=3, seconds=10).users(Seen(0.0, 0.0, 0)) == 3

    def test_nothing_is_no_saturation(self) -> None:
        assert saturation([]) is None
        assert saturation([Step(users=1, throughput=3.0, errors=2)]) is None

    def test_soak(self) -> None:
        soak = Soak(users=5, seconds=60.0)
        assert [soak.users(Seen(now, 0.0, 0)) for now in (0.0, 59.9, 60.0)] == [5, 5, None]


class TestTally:
    def test_counts(self) -> None:
        tally = Tally()
        for now in (10.0, 11.0, 12.0, 13.0):
            tally.send(now)
        tally.answer(30.0, 15.0)
        tally.answer(60.0, 20.0)
        tally.fail("OVERLOADED")
        assert (tally.sent, tally.answered, tally.failed, tally.left) == (4, 2, 1, 1)
        assert (tally.seconds, tally.throughput) == (10.0, 9.0)

    def test_nothing_answered_is_no_throughput(self) -> None:
        tally = Tally()
        assert tally.throughput == 0.0
        tally.send(1.0)
        assert (tally.seconds, tally.throughput, tally.left) == (0.0, 0.0, 1)

    def test_that_of_all_workers(self) -> None:
        one = Tally(sent=5, answered=3, audio_seconds=90.0, errors={"A": 1, "B": 1}, began=100.0, ended=130.0)
        other = Tally(sent=2, answered=2, audio_seconds=60.0, not_sent=4, began=90.0, ended=120.0)
        idle = Tally(errors={"A": 2}, sent=2)
        total = together([one, other, idle])
        assert total == Tally(
            sent=9,
            answered=5,
            audio_seconds=150.0,
            errors={"A": 3, "B": 1},
            not_sent=4,
            began=90.0,
            ended=130.0,
        )
        assert total.throughput == 150.0 / 40.0
        assert one.errors == {"A": 1, "B": 1}

    def test_it_travels(self) -> None:
        tally = Tally(sent=1, errors={"A": 1}, began=1.5)
        assert Tally.model_validate(tally.model_dump()) == tally


STATISTICS = {
    "model_stats": [
        {
            "name": "whisper",
            "inference_count": "40",
            "execution_count": "10",
            "inference_stats": {"queue": {"count": "8", "ns": "16000000"}},
        }
    ]
}


class TestTriton:
    def test_what_was_used_in_between(self) -> None:
        after = Counters.of(STATISTICS)
        assert after == Counters(40, 10, 8, 16_000_000)
        (model,) = used({"whisper": Counters(10, 5, 3, 1_000_000)}, {"whisper": after}).items()
        assert model == ("whisper", ModelUse(inferences=30, mean_batch=6.0, mean_queue_ms=3.0))

    def test_what_was_not_used(self) -> None:
        idle = Counters.of({"model_stats": [{"name": "whisper"}]})
        assert used({"whisper": idle}, {"whisper": idle}) == {}
        assert used({}, {"whisper": idle}) == {}


def line(kind: str, name: str, values: dict[int, int], total: float | None = None) -> Line:
    count = sum(values.values())
    return Line(
        type=kind,
        name=name,
        count=count,
        total=sum(value * number for value, number in values.items()) if total is None else total,
        lowest=min(values, default=None),
        highest=max(values, default=None),
        values=values,
    )


def measurement(**changes: Any) -> Measurement:
    found: dict[str, Any] = {
        "options": Options(),
        "protocols": ["http"],
        "users": 8,
        "workers": 1,
        "tally": Tally(sent=7, answered=7, audio_seconds=120.0, began=0.0, ended=10.0),
        "lines": [
            line("http", "diarized 10 s", {1000: 3, 2000: 1}),
            line("http", "stream 10 s", {3000: 1}),
            line("http", "diarized 60-300 s", {9000: 2}),
            line("http", "stream 30 s", {}),
            line("http", "diarization 10 s", {200: 1}),
            line("http", "diarization 60-300 s", {400: 1}),
            line("audio s/s", "all", {12: 1}),
            line("TTFS", "stream 10 s", {500: 1}),
            line("RTFx", "diarized 10 s", {5: 4}, 21.0),
            line("queue", "diarized 10 s", {100: 4}),
        ],
        "windows": [],
        "models": {"whisper": ModelUse(inferences=12, mean_batch=3.0, mean_queue_ms=40.0)},
        "steps": [],
    }
    return Measurement(**(found | changes))


class TestMeasurement:
    def test_percentiles(self) -> None:
        found = line("http", "a", {100: 50, 200: 44, 300: 5, 400: 1})
        assert [found.percentile(share) for share in (0.5, 0.95, 1.0)] == [100, 300, 400]
        assert line("http", "a", {}).percentile(0.5) is None
        # Both are rounded, and neither was found.
        found = found.model_copy(update={"lowest": 104.0, "highest": 396.0})
        assert (found.percentile(0.1), found.percentile(1.0)) == (104.0, 396.0)
        assert line("http", "a", {}).mean is None

    def test_lines_are_joined(self) -> None:
        joined = join(
            [line("a", "x", {1: 2, 5: 1}), line("a", "y", {5: 3, 9: 1}), line("a", "z", {})], "a", "all"
        )
        assert joined == line("a", "all", {1: 2, 5: 4, 9: 1})

    def test_by_length(self) -> None:
        found = measurement().by_length(["http"])
        assert list(found) == ["10 s", "60-300 s"]
        assert found["10 s"].values == {200: 1, 1000: 3, 2000: 1, 3000: 1}
        (stream,) = measurement().by_length(["http"], [Kind.STREAM]).values()
        assert stream.values == {3000: 1}

    def test_it_is_written_down(self, tmp_path: Path) -> None:
        path = tmp_path / "folder" / "a.json"
        measurement().write(path)
        assert Measurement.read(path) == measurement()


class TestVerdict:
    def test_rows(self) -> None:
        found = {(row["what"], row["unit"]): row for row in rows(measurement())}
        assert {row["load"] for row in found.values()} == {"http, closed, 8 users"}
        assert found["requests", "sent"]["number"] == 7
        assert found["throughput", "audio s/s"]["mean"] == 12.0
        assert found["speed of a request", "RTFx"]["mean"] == 5.25
        answer = found["answer, 10 s", "s"]
        assert (answer["number"], answer["mean"]) == (5, 1.6)
        assert (answer["p50"], answer["p95"], answer["most"]) == (1.0, 3.0, 3.0)
        halves = found["diarization alone", "s"]
        assert (halves["number"], halves["mean"], halves["most"]) == (2, 0.3, 0.4)
        assert ("transcription alone", "s") not in found
        assert found["first segment, 10 s", "s"]["p50"] == 0.5
        assert found["outside of processing", "s"]["p95"] == 0.1
        assert found["whisper", "in a batch"]["mean"] == 3.0
        assert found["whisper", "ms in its queue"]["mean"] == 40.0

    def test_goals_hold(self) -> None:
        assert [goal.name for goal in goals(measurement()) if not goal.holds] == []
        assert len(goals(measurement())) == 5

    def test_goals_do_not_hold(self) -> None:
        tally = Tally(
            sent=9,
            answered=4,
            audio_seconds=12.0,
            errors={"OVERLOADED": 3},
            not_sent=1,
            began=0.0,
            ended=10.0,
        )
        whisper = ModelUse(inferences=12, mean_batch=1.0, mean_queue_ms=40.0)
        lines = [line("TTFS", "stream 10 s", {60_000: 1})]
        missed = goals(measurement(tally=tally, models={"whisper": whisper}, lines=lines))
        assert [(goal.value, goal.holds) for goal in missed] == [
            (3.0, False),
            (2.0, False),
            (1.0, False),
            (1.2, False),
            (60.0, False),
        ]

    def test_what_was_not_measured_has_no_goal(self) -> None:
        found = measurement(lines=[], models={}, protocols=["http", "grpc"])
        assert len(goals(found)) == 4
        assert name_of(found) == "http and grpc, closed, 8 users"
        assert len(goals(measurement(users=1))) == 5

    def test_codes_of_failures_are_told(self) -> None:
        tally = Tally(sent=4, errors={"UNAVAILABLE": 1, "OVERLOADED": 3})
        found = [(row["unit"], row["number"]) for row in rows(measurement(tally=tally))]
        assert found[:4] == [("sent", 4), ("answered", 0), ("OVERLOADED", 3), ("UNAVAILABLE", 1)]

    def test_steps_of_a_ramp(self) -> None:
        steps = [Step(users=2, throughput=5.0, errors=0), Step(users=4, throughput=5.1, errors=0)]
        *_, first, second, saturated = rows(measurement(steps=steps))
        assert (first["what"], first["mean"]) == ("2 users", 5.0)
        assert (second["what"], second["mean"]) == ("4 users", 5.1)
        assert (saturated["what"], saturated["number"]) == ("saturated", 2)

    def test_a_soak_is_steady(self) -> None:
        windows = [Window(seconds=10.0, audio_seconds=10.0 * speed) for speed in (8, 8, 9, 9, 9, 9, 4, 4)]
        soak = Options(workload=Workload.SOAK)
        assert steadiness(measurement(options=soak, windows=windows)) == 0.5
        assert not goals(measurement(options=soak, windows=windows))[-1].holds
        assert steadiness(measurement(options=soak, windows=windows[:7])) is None
        assert steadiness(measurement(windows=windows)) is None
        silent = [Window(seconds=10.0, audio_seconds=0.0)] * 8
        assert steadiness(measurement(options=soak, windows=silent)) is None


class TestCalls:
    def test_what_a_request_spends_outside_of_the_processing(self) -> None:
        assert Answer(5.0, 3.0, None).outside == 2.0
        # Clocks of two machines do not tick alike.
        assert Answer(5.0, 5.1, None).outside == 0.0


LOCUST = [sys.executable, "-m", "locust", "-f", "benchmarks/locust/locustfile.py"]


def locust(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LOCUST, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


class Asked(BaseHTTPRequestHandler):
    """Answers diarizations as Triton would, a quarter of a second after it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.counting:
            self.server.asked += 1
        time.sleep(0.25)
        audio, processing = {"duration": 2, "sample_rate": 1, "channels": 1}, {"seconds": 0.05, "rtfx": 40}
        result = {"type": "diarization", "audio": audio, "processing": processing, "turns": []}
        event = json.dumps({"EVENT": json.dumps({"type": "result", "result": result})})
        self._answer("text/event-stream", f"data: {event}\n\n")

    def do_GET(self) -> None:
        self._answer("application/json", json.dumps(STATISTICS))

    def _answer(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked, self.counting = 0, threading.Lock()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def measured(server: Server, folder: Path, *arguments: str) -> Measurement:
    """Run Locust for a second against the server."""
    result = folder / "result.json"
    host = ["--host", f"http://127.0.0.1:{server.server_port}", "--result", str(result)]
    run = ["--headless", "--users", "4", "--spawn-rate", "100", "--run-time", "1s"]
    what = ["--pipelines", "diarization:1", "--lengths", "2", "--clips", "1", "--formats", "wav"]
    done = locust(*host, *run, *what, *arguments)
    assert done.returncode == 0, done.stderr
    return Measurement.read(result)


def check(found: Measurement, server: Server) -> None:
    """See that every request is in the report, and was answered."""
    tally = found.tally
    assert tally.sent == tally.answered == server.asked
    assert tally.audio_seconds == 2.0 * tally.sent
    assert (tally.errors, tally.left) == ({}, 0)
    by_type = {line.type: line for line in found.lines}
    assert {by_type[kind].count for kind in ("http", "RTFx", "queue")} == {tally.sent}
    assert by_type["http"].lowest >= 250
    assert by_type["queue"].lowest == pytest.approx(by_type["http"].lowest - 50, abs=1)
    assert "TTFS" not in by_type


class TestLocust:
    def test_two_workers_tell_of_all_requests(self, server: Server, tmp_path: Path) -> None:
        """Those of the last moment too, whose users end with the load."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        worker = [*LOCUST, "--worker", "--master-host", "127.0.0.1", "--master-port", port]
        with ExitStack() as undo:
            for _ in range(2):
                process = undo.enter_context(
                    subprocess.Popen(worker, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                )
                undo.callback(process.terminate)
            found = measured(
                server, tmp_path, "--master", "--expect-workers", "2", "--master-bind-port", port
            )
        check(found, server)
        assert (found.workers, found.users) == (2, 4)
        assert found.tally.sent >= 8

    def test_arrivals_do_not_wait_for_answers(self, server: Server, tmp_path: Path) -> None:
        found = measured(server, tmp_path, "--workload", "open", "--rate", "10")
        check(found, server)
        # Closed users would send 16 at most.
        assert found.tally.sent > 20

    def test_arrivals_beyond_the_bound_are_counted(self, server: Server, tmp_path: Path) -> None:
        load = ["--workload", "open", "--rate", "20", "--outstanding", "1", "--exit-code-on-error", "0"]
        found = measured(server, tmp_path, *load)
        assert found.tally.sent == found.tally.answered == server.asked
        assert found.tally.not_sent > 10

    def test_ramp(self, server: Server, tmp_path: Path) -> None:
        found = measured(server, tmp_path, "--workload", "ramp", "--step-seconds", "1")
        check(found, server)
        assert [step.users for step in found.steps] == [2, 4]

    @pytest.mark.parametrize(("scheme", "workload"), [("http", "closed"), ("grpc", "open")])
    def test_failures_are_counted_by_their_code(self, scheme: str, workload: str, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        result = tmp_path / "result.json"
        load = ["--workload", workload, "--rate", "20", "--lengths", "2", "--clips", "1", "--formats", "wav"]
        run = ["--headless", "--users", "2", "--spawn-rate", "2", "--run-time", "1s", "--result", str(result)]
        done = locust("--host", f"{scheme}://127.0.0.1:{port}", *run, *load)
        found = Measurement.read(result)
        assert found.protocols == [scheme]
        assert found.tally.errors == {"UNAVAILABLE": found.tally.sent}
        assert found.tally.sent >= 2
        assert "2 s: UNAVAILABLE" in done.stdout + done.stderr
        assert done.returncode == 1

    def test_a_host_that_no_user_speaks_to(self) -> None:
        done = locust("--headless", "--host", "ftp://127.0.0.1", "--run-time", "1s")
        assert done.returncode == 1
        assert "none of the users speaks the protocol of ftp://127.0.0.1" in done.stderr
