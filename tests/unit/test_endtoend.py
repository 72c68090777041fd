"""What the measurements from file to answer count and write; how fast anything is, is not tested."""

import time
from threading import Barrier

import pytest
from rich.console import Console

from benchmarks.endtoend import fairness, stages, steadiness
from benchmarks.endtoend.__main__ import FULL, PARTS, QUICK, Part
from benchmarks.endtoend.recordings import Clip, clips, seconds_of
from benchmarks.endtoend.stages import Served
from benchmarks.endtoend.steadiness import Size
from benchmarks.endtoend.throughput import Contender, Turn, compare, rows, rtfx, take_turn
from triologue_server.audio import decode_audio

QUIET = Console(quiet=True)
TWO = [Clip(10.0, b"a"), Clip(20.0, b"bb")]


def test_clips_are_one_behind_the_other() -> None:
    whole = clips([3.0])
    parts = clips([1.0, 2.0])
    assert seconds_of(parts) == 3.0
    samples = [decode_audio(clip.audio, 60).samples for clip in parts]
    assert [len(some) for some in samples] == [16_000, 32_000]
    together = decode_audio(whole[0].audio, 60).samples
    assert (together[:16_000] == samples[0]).all()
    assert (together[16_000:] == samples[1]).all()


class TestThroughput:
    def test_a_turn_counts_audio_and_words(self) -> None:
        turn = take_turn(Contender(len), TWO)
        assert (turn.audio, turn.words, len(turn.latencies)) == (30.0, 3, 2)

    def test_who_would_take_too_long_is_given_fewer(self) -> None:
        turn = take_turn(Contender(len, most=1), TWO)
        assert (turn.audio, turn.words) == (10.0, 1)

    def test_so_many_are_under_way_at_once(self) -> None:
        together = Barrier(2, timeout=10)

        def transcribe(audio: bytes) -> int:
            together.wait()  # would break if they came one after the other
            return len(audio)

        assert take_turn(Contender(transcribe, at_once=2), TWO).words == 3

    def test_everybody_takes_as_many_turns_as_they_are_to(self) -> None:
        done: list[str] = []

        def called(name: str) -> Contender:
            rounds = {"peer": 1, "service": 3}[name]
            return Contender(lambda audio: done.append(name) or 1, rounds=rounds)

        turns = compare("it", TWO[:1], {name: called(name) for name in ("peer", "service")}, QUIET)
        assert done == ["peer", "service", "service", "service"]
        assert {name: len(own) for name, own in turns.items()} == {"peer": 1, "service": 3}

    def test_lines(self) -> None:
        peer = [Turn(100.0, 50.0, (50.0,), 7)]
        own = [Turn(100.0, wall, (wall / 2, wall), 8) for wall in (10.0, 5.0, 4.0)]
        assert rtfx(own) == 20.0
        first, second = rows("it", {"peer": peer, "service": own}, "peer")
        assert (first["RTFx"], first["ratio"], first["words"]) == (2.0, 1.0, 7)
        assert (second["RTFx"], second["ratio"], second["words"]) == (20.0, 10.0, 8)
        assert (second["p50_s"], second["p95_s"]) == (4.0, 10.0)


class TestFairness:
    def test_short_ones_are_sent_beside_the_long_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fairness, "_HEAD_START_S", 0.05)
        monkeypatch.setattr(fairness, "_PAUSE_S", 0.01)
        sent: list[bytes] = []

        def transcribe(audio: bytes) -> int:
            sent.append(audio)
            time.sleep(0.5 if audio == b"long" else 0.02)
            return 1

        alone, meanwhile = fairness.beside(transcribe, Clip(10.0, b"short"), Clip(100.0, b"long"), most=1000)
        assert len(alone) == 5
        assert sent[6] == b"long"
        # What ended after the long one does not count.
        assert 1 <= len(meanwhile) == len(sent) - 8

    def test_no_more_are_sent_than_there_may_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fairness, "_HEAD_START_S", 0.0)
        monkeypatch.setattr(fairness, "_PAUSE_S", 0.0)

        def transcribe(audio: bytes) -> int:
            time.sleep(0.3 if audio == b"long" else 0.0)
            return 1

        _, meanwhile = fairness.beside(transcribe, Clip(10.0, b"short"), Clip(100.0, b"long"), most=3)
        assert len(meanwhile) == 3

    def test_lines(self) -> None:
        idle, busy = fairness.rows(Clip(10.0, b""), Clip(600.0, b""), [1.0, 2.0, 2.0], [4.0, 3.0, 5.0])
        assert (idle["by"], idle["p50_s"], idle["ratio"], idle["RTFx"]) == ("service, idle", 2.0, 1.0, 5.0)
        assert busy["by"] == "service, beside one of 10 min"
        assert (busy["p50_s"], busy["p95_s"], busy["ratio"]) == (4.0, 5.0, 2.0)


class TestSteadiness:
    SIZES = (Size(0, 900.0, 10.0), Size(50, 1000.0, 40.0), Size(100, 1100.0, 44.0), Size(200, 1040.0, 48.0))

    def test_what_everything_takes_the_first_time_does_not_count(self) -> None:
        memory, shared = steadiness.goals(self.SIZES)
        assert memory.value == pytest.approx(4.0)
        assert (memory.bound, memory.goal, memory.holds) == ("at most", 3.0, False)
        assert (shared.value, shared.holds) == (8.0, True)

    def test_lines(self) -> None:
        assert steadiness.rows(self.SIZES)[1] == {
            "work": "memory",
            "by": "service, after 50 requests",
            "memory_MB": 1000,
            "shm_MB": 40,
        }

    def test_it_is_looked_at_after_each_quarter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(steadiness, "_REST_S", 0.0)
        sent: list[bytes] = []
        sizes = steadiness.watch(lambda audio: sent.append(audio) or 1, TWO, requests=12, at_once=1)
        assert [size.requests for size in sizes] == [0, 3, 6, 9, 12]
        assert sent[:3] == [b"a", b"bb", b"a"]
        assert len(sent) == 12


def test_lines_of_stages() -> None:
    served = Served(cpu=9.0, transport={"whisper": 0.5}, queue={"whisper": 0.1})
    *shares, total, spent, waiting = stages.rows(
        Clip(120.0, b""), {"mel": 0.5, "whisper: decoder": 4.0}, served
    )
    assert {line["by"]: line["share_%"] for line in shares} == {
        "mel": 10.0,
        "whisper: decoder": 80.0,
        "whisper: transport": 10.0,
    }
    assert (total["by"], total["s"]) == ("all of these", 5.0)
    assert spent["s"] == 9.0
    assert (waiting["by"], waiting["s"]) == ("whisper: waiting in Triton's queue", 0.1)


def test_everything_can_be_measured_by_itself() -> None:
    assert set(PARTS) == set(Part)
    assert sum(QUICK.many) < sum(FULL.many)
