"""The search for the best way to run the cores, with made-up costs, and the profile that comes of it."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from triologue_server.flags import to_variables
from triologue_server.settings import PROFILES, Settings
from triologue_server.transcription.window import WINDOW_SAMPLES
from triologue_server.tuning.calls import calls_of
from triologue_server.tuning.candidates import Candidate, Space, cpu_space, gpu_space, rule_of_thumb
from triologue_server.tuning.cores import (
    Core,
    Placement,
    calls_at_once,
    candidate_of,
    section_of,
    space_of,
)
from triologue_server.tuning.load import Load
from triologue_server.tuning.machine import Machine
from triologue_server.tuning.profile import changed, profile_text
from triologue_server.tuning.report import comments, flags
from triologue_server.tuning.search import Infeasible, Measured, Objective, Trials, search
from triologue_server.tuning.speech import cut
from triologue_server.tuning.tune import Plan, TuningError, tune

PROFILE_NAMES = sorted(path.stem for path in PROFILES.glob("*.toml"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TRIOLOGUE_"):
            monkeypatch.delenv(name)


def machine(threads: int = 2, *, cores: int | None = None, gpus: int = 0) -> Machine:
    return Machine("CPU", threads, cores or threads, 64_000.0, ("GPU",) * gpus, 16_000.0 * bool(gpus), gpus)


class Cpu:
    """A made-up core on a CPU: the more threads a worker has, the more they wait for each other.

    Several instances are a little faster than as many workers, and take more memory.
    """

    def __init__(self) -> None:
        self.measured: list[Candidate] = []

    def __call__(self, candidate: Candidate) -> Measured:
        self.measured.append(candidate)
        at_once = candidate.instances * candidate.workers
        speed = 10 * at_once * (candidate.threads / at_once) ** 0.7
        speed *= 1 + 0.16 * (1 - 1 / candidate.instances)
        return Measured(speed, at_once * 30 / speed, 300.0 * candidate.instances)


def gpu(candidate: Candidate) -> Measured:
    """A made-up core on a GPU: batches save less and less, and instances nothing."""
    speed = 1_000 * (1 - 0.6 / candidate.max_batch_size)
    return Measured(speed, 2 * candidate.instances * candidate.max_batch_size * 30 / speed, 500.0)


def any_core(core: Core, settings: Settings, candidate: Candidate) -> Measured:
    return gpu(candidate) if settings.whisper.device == "cuda" else Cpu()(candidate)


def whisper(threads: int, cores: int | None = None) -> Space:
    return cpu_space(threads, cores or threads, has_workers=True, may_set_threads=True)


def start(threads: int, **changes: int) -> Candidate:
    return replace(Candidate(instances=1, workers=1, threads=threads, max_batch_size=8), **changes)


def reachable(space: Space, *starts: Candidate) -> set[Candidate]:
    seen: set[Candidate] = set()
    unseen = set(starts)
    while unseen:
        seen |= unseen
        unseen = {step for candidate in unseen for _, step in space.steps(candidate)} - seen
    return seen


@pytest.mark.parametrize("threads", [1, 2, 12, 16, 64])
@pytest.mark.parametrize("objective", list(Objective))
def test_the_search_comes_near_what_trying_everything_finds(threads: int, objective: Objective) -> None:
    space, trials = whisper(threads), Trials(objective)
    found = search(space, [start(threads)], Cpu(), trials, most=40)
    everything = Trials(objective)
    for candidate in reachable(space, start(threads)):
        everything.add(candidate, Cpu())
    best = everything.best()
    assert found
    assert best
    assert found.measured
    assert best.measured
    assert found.measured.throughput >= 0.9 * best.measured.throughput
    assert found.measured.p95_s <= 1.1 * best.measured.p95_s
    assert len(trials.all) <= 25


def test_of_those_as_fast_the_one_that_answers_soonest_is_chosen() -> None:
    def measure(candidate: Candidate) -> Measured:
        return Measured(40.0 - 0.1 / candidate.workers, candidate.workers * candidate.instances, 1.0)

    found = search(whisper(16), [start(16, workers=16)], measure, Trials(Objective.THROUGHPUT))
    assert found
    assert (found.candidate.instances, found.candidate.workers) == (1, 1)


def test_of_those_as_fast_and_as_soon_the_one_that_takes_least_memory_is_chosen() -> None:
    def measure(candidate: Candidate) -> Measured:
        return Measured(40.0, 1.0 - 0.01 * candidate.instances, 300.0 * candidate.instances)

    found = search(whisper(2), [start(2, workers=2)], measure, Trials(Objective.THROUGHPUT))
    assert found
    assert found.candidate.instances == 1


def test_latency_gives_up_throughput() -> None:
    space = gpu_space(has_workers=True)
    sizes = [
        found.candidate.max_batch_size
        for objective in (Objective.THROUGHPUT, Objective.LATENCY)
        if (found := search(space, [start(1)], gpu, Trials(objective)))
    ]
    assert sizes == [16, 4]


def test_memory_is_not_exceeded_and_what_is_certain_to_exceed_it_is_not_measured() -> None:
    cpu = Cpu()
    found = search(whisper(16), [start(16)], cpu, Trials(Objective.THROUGHPUT, memory_mb=700.0))
    assert found
    assert found.measured
    assert found.measured.memory_mb <= 700.0
    assert max(candidate.instances for candidate in cpu.measured) <= 2


def test_what_takes_too_much_memory_now_gets_smaller() -> None:
    trials = Trials(Objective.THROUGHPUT, memory_mb=700.0)
    found = search(whisper(8), [start(8, instances=8)], Cpu(), trials)
    assert found
    assert found.candidate.instances <= 2


@pytest.mark.parametrize("batch", [4, 64])
def test_what_does_not_run_is_passed_over(batch: int) -> None:
    def measure(candidate: Candidate) -> Measured:
        if candidate.max_batch_size > 16:
            raise Infeasible("out of memory")
        return Measured(candidate.max_batch_size, 1.0, 1.0)

    trials = Trials(Objective.THROUGHPUT)
    found = search(gpu_space(has_workers=False), [start(1, max_batch_size=batch)], measure, trials)
    assert found
    assert found.candidate.max_batch_size == 16
    assert "out of memory" in {trial.reason for trial in trials.all}


def test_what_something_else_slowed_down_is_measured_again() -> None:
    current, measured = start(2, workers=2), []

    def measure(candidate: Candidate) -> Measured:
        measured.append(candidate)
        slowed = candidate == current and measured.count(current) == 1
        return Measured(15.0 if slowed else 20.0 if candidate == current else 17.0, 1.0, 1.0)

    found = search(whisper(2), [current], measure, Trials(Objective.THROUGHPUT))
    assert found
    assert found.candidate == current
    assert found.measured == Measured(20.0, 1.0, 1.0)
    assert max(map(measured.count, measured)) == 2


def test_measurements_are_bounded_by_number_and_by_time() -> None:
    cpu, hurried = Cpu(), Cpu()
    search(whisper(64), [start(64, workers=64)], cpu, Trials(Objective.THROUGHPUT), most=5)
    assert len(cpu.measured) == 5
    assert len(set(cpu.measured)) == 5
    search(
        whisper(64), [start(64), start(64, workers=64)], hurried, Trials(Objective.THROUGHPUT), has_time=never
    )
    assert hurried.measured == [start(64)]


def never() -> bool:
    return False


@pytest.mark.parametrize("threads", [1, 2, 16, 64])
@pytest.mark.parametrize("core", list(Core))
def test_candidates_suit_the_machine(threads: int, core: Core) -> None:
    settings = Settings(whisper={"threads": threads}, diarization={"threads": threads})
    space = space_of(core, settings, machine(threads))
    current = space.tidy(candidate_of(core, settings))
    found = reachable(space, current)
    for candidate in found:
        assert 1 <= candidate.instances * candidate.workers <= threads
        assert candidate.threads == threads
        assert candidate.max_batch_size in ((1, 2, 4, 8) if core is Core.WHISPER else (1,))
        if core is not Core.WHISPER:
            assert candidate.workers == threads // candidate.instances
    every_thread = {candidate for candidate in found if space.at_once(candidate) == threads}
    assert {1, min(32, threads)} <= {candidate.instances for candidate in every_thread}
    assert rule_of_thumb(space, current) in every_thread


def test_where_two_threads_share_a_core_half_of_them_are_tried() -> None:
    space = whisper(16, cores=8)
    assert start(8, workers=8) in {step for _, step in space.steps(start(16, workers=16))}
    assert start(8, workers=1) in {step for _, step in space.steps(start(16, workers=2))}


def test_a_gpu_leaves_batches_workers_and_instances_to_choose() -> None:
    settings, there = Settings(profile="gpu", whisper={"threads": 16, "gpus": [0, 1]}), machine(16, gpus=2)
    assert Placement.of(Core.WHISPER, settings, there) == Placement(on_gpu=True, times=2)
    assert calls_at_once(Core.WHISPER, settings, there) == 2 * 2 * 16

    def near(core: Core) -> set[tuple[int, int, int]]:
        space = space_of(core, settings, there)
        steps = space.steps(space.tidy(candidate_of(core, settings)))
        return {(step.instances, step.workers, step.max_batch_size) for _, step in steps}

    assert near(Core.WHISPER) == {(1, 1, 8), (1, 1, 32), (1, 2, 16), (2, 1, 8)}
    assert near(Core.EMBEDDING) == {(1, 1, 8), (1, 1, 32), (2, 1, 8)}


def test_networks_go_where_gpus_are() -> None:
    assert not Placement.of(Core.EMBEDDING, Settings(), machine()).on_gpu
    assert Placement.of(Core.EMBEDDING, Settings(), machine(gpus=1)).on_gpu
    assert not Placement.of(Core.WHISPER, Settings(), machine(gpus=1)).on_gpu


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_the_profile_loads_as_what_was_proposed(name: str, tmp_path: Path) -> None:
    settings, there = Settings(profile=name), machine(16, gpus=int(name == "gpu"))
    proposal = tune(settings, there, any_core, Plan())
    text = profile_text(proposal.settings, comments(settings, proposal, there, Objective.THROUGHPUT))
    file = tmp_path / "tuned.toml"
    file.write_text(text)
    loaded = Settings(profile=str(file))
    assert loaded == proposal.settings.model_copy(update={"profile": str(file)})
    assert loaded.whisper.model == settings.whisper.model
    assert f"from the profile {name}" in text
    assert text.count("# measured: ") == 3


def test_the_flags_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    proposal = tune(settings, machine(16), any_core, Plan())
    pairs = [part.split("=") for part in flags(settings, proposal).split() if part != "--set"]
    for name, value in to_variables(dict(pairs)).items():
        monkeypatch.setenv(name, value)
    assert Settings() == proposal.settings


def test_settings_beside_the_models_are_kept(tmp_path: Path) -> None:
    settings = Settings(host="0.0.0.0", models=tmp_path)
    (tmp_path / "all.toml").write_text(profile_text(settings, {}))
    loaded = Settings(profile=str(tmp_path / "all.toml"))
    assert (loaded.host, loaded.models) == ("0.0.0.0", tmp_path)
    assert changed(settings, loaded) == {"profile": str(tmp_path / "all.toml")}


@pytest.mark.parametrize(("name", "times"), [("embedded", 2), ("gpu", 1)])
def test_limits_and_delays_follow_from_the_cores(name: str, times: int) -> None:
    there = machine(64, gpus=int(name == "gpu"))
    before = Settings(profile=name, whisper={"threads": 64, "max_batch_size": 4}, diarization={"threads": 64})
    settings = tune(before, there, any_core, Plan()).settings
    calls = {core: calls_at_once(core, settings, there) for core in Core}
    assert settings.limits.windows_in_flight == max(
        before.limits.windows_in_flight, times * calls[Core.WHISPER]
    )
    assert settings.limits.spans_in_flight == times * calls[Core.SEGMENTATION]
    assert settings.limits.core_queue >= 2 * max(calls.values())
    for core in Core:
        delay = section_of(core, settings).queue_delay_ms
        assert delay == (0 if name == "embedded" else 2 if core is Core.WHISPER else 5)  # one was changed


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_what_is_best_already_stays_as_it_is(name: str) -> None:
    settings, there = Settings(profile=name), machine(gpus=int(name == "gpu"))

    def measure(core: Core, _: Settings, candidate: Candidate) -> Measured:
        current = space_of(core, settings, there).tidy(candidate_of(core, settings))
        return Measured(2.0 if candidate == current else 1.0, 1.0, 1.0)

    after = tune(settings, there, measure, Plan()).settings
    assert changed(settings, after).keys() <= {"limits.spans_in_flight"}


def test_only_the_cores_asked_for_are_touched() -> None:
    before = Settings(diarization={"threads": 16})
    after = tune(before, machine(16), any_core, Plan(cores=[Core.SEGMENTATION])).settings
    assert (after.whisper, after.limits.windows_in_flight) == (
        before.whisper,
        before.limits.windows_in_flight,
    )
    assert after.diarization.embedding == before.diarization.embedding
    assert after.diarization.segmentation != before.diarization.segmentation


def test_both_networks_get_the_threads_that_segmentation_chose() -> None:
    def measure(core: Core, settings: Settings, candidate: Candidate) -> Measured:
        measured = any_core(core, settings, candidate)
        # Threads that share a core get into each other's way.
        return replace(measured, throughput=measured.throughput / candidate.threads**2)

    settings = Settings(diarization={"threads": 16})
    proposal = tune(settings, machine(16, cores=8), measure, Plan())
    assert proposal.settings.diarization.threads == 8
    assert {trial.candidate.threads for trial in proposal.tuned[-1].trials} == {8}


def test_all_cores_fit_the_memory_together() -> None:
    settings = Settings(whisper={"threads": 16}, diarization={"threads": 16})
    tuned = tune(settings, machine(16), any_core, Plan(memory_mb=1_500.0)).tuned
    assert 1_200.0 < sum(core.measured.memory_mb for core in tuned) <= 1_500.0


def test_what_cannot_fit_or_run_is_told() -> None:
    with pytest.raises(TuningError, match="whisper: it takes 300 MB at least, and there are 0 MB"):
        tune(Settings(), machine(), any_core, Plan(memory_mb=100.0))

    def fail(*_: object) -> Measured:
        raise Infeasible("Triton cannot load a model")

    with pytest.raises(TuningError, match="whisper: Triton cannot load a model"):
        tune(Settings(), machine(), fail, Plan())


def test_latency_is_that_of_nearly_all_calls() -> None:
    load = Load(tuple(float(second) for second in range(100, 0, -1)), wall_s=50.0)
    assert (load.calls_a_second, load.p95_s) == (2.0, 95.0)
    assert Load((3.0,), wall_s=3.0).p95_s == 3.0


@pytest.mark.parametrize("seconds", [1, 24, 100])
def test_windows_are_full_and_differ(seconds: int) -> None:
    recording = np.random.default_rng(1).integers(-9, 9, seconds * 16_000).astype(np.int16)
    windows = cut(recording)
    assert {len(window) for window in windows} == {WINDOW_SAMPLES}
    assert len({window.tobytes() for window in windows}) == len(windows)


def test_the_machine_is_described() -> None:
    this = Machine.this()
    assert 1 <= this.cores <= this.threads
    assert this.memory_mb > 100
    assert str(this.threads) in str(this)


def test_two_people_take_turns_in_what_the_embedding_hears() -> None:
    settings = Settings()
    try:
        (call,) = calls_of(Core.EMBEDDING, settings, [np.zeros(WINDOW_SAMPLES, np.int16)])
    except FileNotFoundError:
        pytest.skip("the pipeline is not there")
    assert [(tensor.name(), tensor.shape()) for tensor in call] == [
        ("AUDIO", [1, WINDOW_SAMPLES]),
        ("NUM_SAMPLES", [1, 1]),
        ("HOP", [1, 1]),
        ("ACTIVITY", [1, 21, 589, 3]),
    ]
