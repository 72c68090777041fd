"""What the measurements of diarization count and write; how fast anything is, is not tested."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from benchmarks.diarization import PEER, SERVICE, goals, without_gaps
from benchmarks.encoded import seconds_of, write_audio
from benchmarks.long import Taken, conversations, taking
from benchmarks.long import goals as long_goals
from benchmarks.pipeline import device_of
from benchmarks.processes import MemoryWatch, cpu_seconds, descendants, memory_mb, shared_memory_mb
from benchmarks.recordings import Recording
from benchmarks.rounds import Part, Turns, rows
from benchmarks.stopwatch import Stopwatch
from triologue_server.audio import decode_audio
from triologue_server.settings import Settings

# Takes memory, computes, and ends when its input does.
BUSY = """
import sys, time
taken = bytearray(50_000_000)
while time.process_time() < 0.3: pass
print("ready", flush=True)
sys.stdin.read()
"""
# Starts one like that, and outlives it.
PARENT = """
import subprocess, sys, time
subprocess.run([sys.executable, "-c", sys.argv[1]])
print("ended", flush=True)
time.sleep(60)
"""
# For each line it takes more memory for a second.
GREEDY = """
import sys, time
print("begun", flush=True)
for number, _ in enumerate(sys.stdin, 1):
    taken = bytearray(number * 50_000_000)
    time.sleep(1)
    del taken
    print("gone", flush=True)
"""


@contextmanager
def python(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    with python(PARENT, BUSY) as process:
        assert process.stdout.readline() == "ready\n"
        yield process


class TestProcesses:
    def test_descendants_are_children_and_theirs(self, child: subprocess.Popen[str]) -> None:
        (grandchild,) = descendants(child.pid)
        assert {child.pid, grandchild} <= set(descendants())
        assert descendants(grandchild) == []

    def test_memory_and_computing_of_a_process(self, child: subprocess.Popen[str]) -> None:
        (grandchild,) = descendants(child.pid)
        assert 50 < memory_mb([grandchild]) < 100
        assert 0.25 < cpu_seconds([grandchild]) < 5.0

    def test_of_several_is_their_sum(self, child: subprocess.Popen[str]) -> None:
        (grandchild,) = descendants(child.pid)
        both = memory_mb([child.pid, grandchild])
        assert both == pytest.approx(memory_mb([child.pid]) + memory_mb([grandchild]), rel=0.1)

    def test_computing_counts_when_a_process_has_ended(self, child: subprocess.Popen[str]) -> None:
        """With the one that waited for it."""
        (grandchild,) = descendants(child.pid)
        child.stdin.close()
        assert child.stdout.readline() == "ended\n"
        assert descendants(child.pid) == []
        assert cpu_seconds([grandchild]) == memory_mb([grandchild]) == 0.0
        assert 0.25 < cpu_seconds([child.pid]) < 5.0

    def test_shared_memory(self) -> None:
        assert shared_memory_mb() >= 0.0

    def test_the_most_memory_is_remembered(self) -> None:
        with python(GREEDY) as process:
            assert process.stdout.readline() == "begun\n"
            with MemoryWatch([process.pid]) as watch:
                for _ in range(2):
                    process.stdin.write("\n")
                    process.stdin.flush()
                    assert process.stdout.readline() == "gone\n"
            assert memory_mb([process.pid]) < 50
        assert 1 < watch.before_mb < 50
        assert 99 < watch.growth_mb < 130

    def test_what_stays_as_it_is_does_not_grow(self, child: subprocess.Popen[str]) -> None:
        (grandchild,) = descendants(child.pid)
        with MemoryWatch([grandchild]) as watch:
            time.sleep(0.6)
        assert watch.before_mb > 50
        assert 0.0 <= watch.growth_mb < 5


class TestEncoded:
    def test_opus_keeps_the_length_and_is_small(self, tmp_path: Path) -> None:
        samples = (3000 * np.sin(np.arange(70 * 16_000) / 7)).astype(np.int16)
        path = tmp_path / "a.opus"
        write_audio(samples, path)
        assert seconds_of(path) == pytest.approx(70.0, abs=0.05)
        assert decode_audio(path.read_bytes(), 100.0).seconds == pytest.approx(70.0, abs=0.01)
        assert path.stat().st_size < 70 * 10_000


TURNS = {PEER: Turns([240.0, 300.0, 200.0]), SERVICE: Turns([24.0, 60.0, 20.0])}


class TestSpeed:
    def test_goal_is_of_the_ratio(self) -> None:
        (goal,) = goals(TURNS)
        assert (goal.value, goal.bound, goal.goal, goal.holds) == (10.0, "at least", 8.0, True)

    def test_lines_have_no_empty_columns(self) -> None:
        peer, own = map(without_gaps, rows(Part("it", 600.0, "audio s/s", {}), TURNS))
        assert list(own) == list(peer) == ["work", "by", "speed", "unit", "ratio", "lowest", "highest"]
        assert (own["speed"], own["ratio"], own["lowest"]) == (25.0, 10.0, 5.0)

    def test_the_peer_computes_where_the_service_does(self) -> None:
        diarization = Settings(profile="embedded").diarization
        assert device_of(diarization.model_copy(update={"device": "cpu"})).type == "cpu"
        on_gpus = {"device": "cuda", "embedding": diarization.embedding.model_copy(update={"gpus": (1, 0)})}
        assert str(device_of(diarization.model_copy(update=on_gpus))) == "cuda:1"


def compute(seconds: float) -> float:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return seconds


class TestStages:
    def test_what_is_timed_within_a_stage_counts_there_alone(self) -> None:
        watch = Stopwatch()
        inner = watch.around("inner", compute)
        with watch.on("outer"):
            compute(0.1)
            assert inner(seconds=0.2) == 0.2
            compute(0.1)
        compute(0.2)
        inner(0.1)
        assert watch.seconds == pytest.approx({"outer": 0.2, "inner": 0.3}, abs=0.05)

    def test_a_stage_that_fails_is_over(self) -> None:
        watch = Stopwatch()
        with pytest.raises(ValueError, match="broken"), watch.on("outer"), watch.on("inner"):
            raise ValueError("broken")
        compute(0.1)
        assert sum(watch.seconds.values()) < 0.05


def taken(hours: float, wall: float, growth_mb: float, of: int | None = None) -> Taken:
    return Taken(
        Recording("meeting.wav", Path("meeting.wav")),
        hours=hours,
        wall=wall,
        cpu=hours * 250,
        growth_mb=growth_mb,
        left_mb=10.0,
        shared_before_mb=30.0,
        shared_after_mb=40.0,
        speakers=2,
        of=of,
    )


class TestLong:
    def test_lines_are_of_an_hour_of_audio(self) -> None:
        line = taken(2.0, 400.0, 300.0).row()
        assert line == {
            "recording": "meeting.wav",
            "hours": 2.0,
            "wall_s/h": 200.0,
            "cpu_s/h": 250.0,
            "RTFx": 18.0,
            "memory_MB": 300.0,
            "left_MB": 10.0,
            "shm_before_MB": 30.0,
            "shm_after_MB": 40.0,
            "speakers": 2,
        }
        assert taken(2.0, 500.0, 300.0, of=3).row()["of"] == 3

    def test_goals(self) -> None:
        cost, one, eight = long_goals(
            [taken(0.1667, 40.0, 90.0), taken(0.9997, 200.0, 240.0), taken(8.0, 1600.0, 2400.0)]
        )
        assert cost.value == pytest.approx(0.2, abs=0.001)
        assert (cost.bound, cost.goal, cost.holds) == ("at most", 0.1, False)
        assert one.name == "memory for a further hour, MB: meeting.wav, 1.00 h"
        assert (one.goal, one.holds) == (250.0, True)
        assert one.value == pytest.approx((240.0 - 90.0) / (0.9997 - 0.1667))
        assert eight.value == pytest.approx((2400.0 - 90.0) / (8.0 - 0.1667))
        assert not eight.holds

    def test_one_recording_has_nothing_to_be_compared_with(self) -> None:
        assert long_goals([taken(0.1667, 40.0, 90.0)]) == []

    def test_conversations_are_taken_by_the_server(self, tmp_path: Path) -> None:
        short, long = conversations([0.01, 0.02], tmp_path)
        assert seconds_of(short.path) == pytest.approx(36.0, abs=0.05)
        assert seconds_of(long.path) == pytest.approx(72.0, abs=0.05)
        settings = Settings(profile="embedded", limits={"upload_mb": 1, "audio_hours": 0.015})
        limits = taking(settings, [short, long]).limits
        assert limits.audio_hours == pytest.approx(0.0202, abs=0.0001)
        assert limits.upload_mb == 1
        assert limits.spans_in_flight == settings.limits.spans_in_flight
        assert taking(settings, [short]).limits == settings.limits

    def test_large_files_are_taken_by_the_server(self, tmp_path: Path) -> None:
        (recording,) = conversations([0.01], tmp_path)
        with recording.path.open("r+b") as file:
            file.truncate(600_000_000)
        settings = Settings(profile="embedded")
        assert taking(settings, [recording]).limits.upload_bytes > 600_000_000
