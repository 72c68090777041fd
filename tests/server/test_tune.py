"""`triologue-server tune`, with a real Triton for each candidate."""

from triologue_server.settings import Settings
from triologue_server.tuning.cores import Core, candidate_of
from triologue_server.tuning.machine import Machine
from triologue_server.tuning.meter import Meter
from triologue_server.tuning.speech import speech
from triologue_server.tuning.tune import Plan, tune


def test_a_core_is_tuned_by_measuring_it() -> None:
    settings = Settings(whisper={"model": "tiny.en", "workers": 1, "threads": 2})
    machine = Machine.this()
    meter = Meter(machine, speech(None), seconds=0.5)
    proposal = tune(settings, machine, meter.measure, Plan(cores=[Core.WHISPER], most=2))
    (tuned,) = proposal.tuned
    assert len({trial.candidate for trial in tuned.trials}) == 2
    for trial in tuned.trials:
        assert trial.measured, trial.reason
        assert trial.measured.throughput > 1
        assert 0 < trial.measured.p95_s < 60
        assert 100 < trial.measured.memory_mb < 5_000
    assert candidate_of(Core.WHISPER, proposal.settings) == tuned.best.candidate
