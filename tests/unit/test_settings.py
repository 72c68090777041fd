"""Settings: profiles, and what the environment and flags change in them."""

import os
from operator import attrgetter
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from triologue_server.cli import app
from triologue_server.flags import explain, to_variables
from triologue_server.settings import PROFILES, Settings

PROFILE_NAMES = sorted(path.stem for path in PROFILES.glob("*.toml"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TRIOLOGUE_"):
            monkeypatch.delenv(name)


def refusal(**arguments: object) -> list[str]:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Settings(**arguments)
    return explain(caught.value)


def test_profiles_are_complete() -> None:
    assert PROFILE_NAMES == ["embedded", "gpu"]
    for name in PROFILE_NAMES:
        assert Settings(profile=name).profile == name


def test_the_default_needs_no_gpu_and_listens_on_this_machine_only() -> None:
    settings = Settings()
    assert (settings.profile, settings.host) == ("embedded", "127.0.0.1")
    assert (settings.whisper.device, settings.diarization.device) == ("cpu", "auto")


def test_a_variable_changes_one_field(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Settings(profile="gpu")
    monkeypatch.setenv("TRIOLOGUE_PROFILE", "gpu")
    monkeypatch.setenv("TRIOLOGUE_WHISPER__MODEL", "small")
    monkeypatch.setenv("TRIOLOGUE_DIARIZATION__EMBEDDING__MAX_BATCH_SIZE", "3")
    settings = Settings()
    assert settings.whisper == before.whisper.model_copy(update={"model": "small"})
    assert settings.diarization.embedding.max_batch_size == 3
    assert settings.diarization.segmentation == before.diarization.segmentation


def test_a_profile_may_be_a_file(tmp_path: Path) -> None:
    text = (PROFILES / "embedded.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('model = "base"', 'model = "tiny"'))
    assert Settings(profile=str(tmp_path / "mine.toml")).whisper.model == "tiny"


@pytest.mark.parametrize("name", PROFILE_NAMES)
@pytest.mark.parametrize("repository", [None, Path("/models")])
def test_processes_of_the_models_read_the_same_settings(
    name: str, repository: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(profile=name, http_port=0, model_repository=repository)
    variables = settings.to_environment()
    assert ("TRIOLOGUE_MODEL_REPOSITORY" in variables) == (repository is not None)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert Settings() == settings


@pytest.mark.parametrize(
    ("text", "gpus"), [("[0,1]", (0, 1)), ("[2, 0]", (2, 0)), ("0,1", (0, 1)), ("3", (3,)), ("", (0,))]
)
@pytest.mark.parametrize("core", ["whisper", "diarization.segmentation", "diarization.embedding"])
def test_a_variable_lists_gpus(
    core: str, text: str, gpus: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in to_variables({f"{core}.gpus": text}).items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    assert attrgetter(core)(settings).gpus == gpus
    for variable, value in settings.to_environment().items():
        monkeypatch.setenv(variable, value)
    assert Settings() == settings


def test_a_profile_lists_gpus(tmp_path: Path) -> None:
    text = (PROFILES / "gpu.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace("[whisper]\n", "[whisper]\ngpus = [0, 1]\n"))
    assert Settings(profile=str(tmp_path / "mine.toml")).whisper.gpus == (0, 1)


def test_no_threads_means_one_for_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(12)))
    monkeypatch.setenv("TRIOLOGUE_DIARIZATION__THREADS", "0")
    assert Settings(profile="embedded").whisper.threads == 12
    assert Settings().diarization.threads == 12


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("TRIOLOGUE_LIMITS__AUDIO_HOURS", "0", "limits.audio_hours"),
        ("TRIOLOGUE_LIMITS__AUDIO_HUORS", "1", "limits.audio_huors"),
        ("TRIOLOGUE_WHISPER__COMPUTE_TYPE", "int3", "whisper.compute_type"),
        ("TRIOLOGUE_WHISPER__THREADS", "-1", "whisper.threads"),
        ("TRIOLOGUE_WHISPER__GPUS", "[]", "whisper.gpus"),
        ("TRIOLOGUE_WHISPER__GPUS", "[0,1,0]", "whisper.gpus"),
        ("TRIOLOGUE_WHISPER__GPUS", "-1", "whisper.gpus.0"),
        ("TRIOLOGUE_DIARIZATION__EMBEDDING__GPUS", "all", "diarization.embedding.gpus.0"),
        ("TRIOLOGUE_DIARIZATION__DEVICE", "tpu", "diarization.device"),
        ("TRIOLOGUE_SERVICE__TRANSCRIPTION__QUEUE", "0", "service.transcription.queue"),
        ("TRIOLOGUE_GRPC_PORT", "65536", "grpc_port"),
        ("TRIOLOGUE_LOG_LEVEL", "loud", "log_level"),
    ],
)
def test_a_bad_variable_is_refused_by_its_key(
    variable: str, value: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    (line,) = refusal()
    assert line.startswith(f"{key}: ")
    assert line.endswith(f", not {value!r}")


def test_an_unknown_or_missing_key_of_a_profile_is_refused(tmp_path: Path) -> None:
    text = (PROFILES / "embedded.toml").read_text()
    profile = tmp_path / "bad.toml"
    profile.write_text("colour = 1\n" + text.replace("upload_mb = 512\n", ""))
    assert [line.split(":")[0] for line in refusal(profile=str(profile))] == ["limits.upload_mb", "colour"]


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    assert refusal(profile="tpu") == [
        "no profile 'tpu'; there are embedded, gpu, or give the path of a TOML file"
    ]


def test_settings_cannot_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().host = "0.0.0.0"  # type: ignore[misc]


def test_flags_become_variables() -> None:
    flags = {"whisper.model": "small", "http_port": 0, "limits.audio_hours": "2", "host": None}
    assert to_variables(flags) == {
        "TRIOLOGUE_WHISPER__MODEL": "small",
        "TRIOLOGUE_HTTP_PORT": "0",
        "TRIOLOGUE_LIMITS__AUDIO_HOURS": "2",
    }
    with pytest.raises(ValueError, match=r"colour\.red: there is no such setting, only profile, "):
        to_variables({"colour.red": 1})


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--whisper", "small", "--threads", "-3"], ["whisper.threads: Input should be greater"]),
        (["--set", "whisper.gpus=[1,1]"], ["whisper.gpus: it must list one GPU or more, each once, not "]),
        (["--set", "limits.core_queue=0", "--set", "limits.x=1"], ["limits.core_queue: ", "limits.x: "]),
        (["--set", "colour=1"], ["colour: there is no such setting"]),
        (["--set", "colour"], ["--set colour: it must read KEY=VALUE"]),
        (["--profile", "tpu"], ["no profile 'tpu'"]),
    ],
)
def test_serve_refuses_bad_flags_with_one_line_each(
    arguments: list[str], lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert result.exit_code == 2
    said = result.stderr.splitlines()
    assert len(said) == len(lines)
    assert all(line.startswith(f"error: {start}") for line, start in zip(said, lines, strict=True))
