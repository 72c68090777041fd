"""The model repository as Triton gets it: the configurations of the source tree with the settings applied."""

import os
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import TYPE_INVALID, ModelConfig, ModelInstanceGroup

from triologue_server.settings import Settings
from triologue_server.triton.launch_error import LaunchError
from triologue_server.triton.repository import (
    CHECKOUT,
    configure,
    find_repository,
    model_names,
    read_config,
    write_repository,
)

REPOSITORY = CHECKOUT / "model_repository"
CORES = ["pyannote_segmentation", "speaker_embedding", "whisper"]
KINDS = {
    "auto": ModelInstanceGroup.KIND_AUTO,
    "cpu": ModelInstanceGroup.KIND_CPU,
    "cuda": ModelInstanceGroup.KIND_GPU,
}
PUBLIC = ["diarization", "diarized_asr", "transcription"]
CONDUCTOR = "diarized_asr_stream"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TRIOLOGUE_"):
            monkeypatch.delenv(name)


@pytest.fixture(params=["embedded", "gpu"])
def settings(request: pytest.FixtureRequest) -> Settings:
    return Settings(profile=request.param)


def test_every_folder_is_a_known_model() -> None:
    assert model_names(REPOSITORY) == sorted([*CORES, *PUBLIC, CONDUCTOR])


@pytest.mark.parametrize("name", [*CORES, *PUBLIC, CONDUCTOR])
def test_every_configuration_is_complete(name: str) -> None:
    config = read_config(REPOSITORY / name)
    assert (config.name, config.backend) == (name, "python")
    assert len(config.instance_group) == 1
    for tensor in (*config.input, *config.output):
        assert tensor.data_type != TYPE_INVALID
        assert tensor.dims
    assert config.model_transaction_policy.decoupled == (name == CONDUCTOR)
    assert (REPOSITORY / name / "1" / "model.py").is_file()


@pytest.mark.parametrize("name", CORES)
def test_cores_take_their_settings(name: str, settings: Settings) -> None:
    diarization = settings.diarization
    core, device = {
        "whisper": (settings.whisper, settings.whisper.device),
        "pyannote_segmentation": (diarization.segmentation, diarization.device),
        "speaker_embedding": (diarization.embedding, diarization.device),
    }[name]
    config = configure(read_config(REPOSITORY / name), settings)
    assert config.max_batch_size == core.max_batch_size
    assert config.dynamic_batching.max_queue_delay_microseconds == core.queue_delay_ms * 1000
    assert config.dynamic_batching.default_queue_policy.max_queue_size == settings.limits.core_queue
    (group,) = config.instance_group
    assert group.count == core.instances
    assert group.kind == KINDS[device]


@pytest.mark.parametrize("name", CORES)
@pytest.mark.parametrize(
    ("device", "gpus"), [("cpu", []), ("cuda", [0, 1])], ids=["on the CPU", "on two GPUs"]
)
def test_cores_run_in_several_instances(name: str, device: str, gpus: list[int]) -> None:
    core = {"instances": 3, "gpus": [0, 1]}
    settings = Settings(
        whisper={"device": device, **core},
        diarization={"device": device, "segmentation": core, "embedding": core},
    )
    (group,) = configure(read_config(REPOSITORY / name), settings).instance_group
    assert group.kind == (ModelInstanceGroup.KIND_GPU if gpus else ModelInstanceGroup.KIND_CPU)
    # On each of the GPUs.
    assert (group.count, list(group.gpus)) == (3, gpus)


def test_the_profiles_differ_where_they_should() -> None:
    kinds = {
        profile: configure(read_config(REPOSITORY / "whisper"), Settings(profile=profile))
        for profile in ("embedded", "gpu")
    }
    assert kinds["embedded"].instance_group[0].kind == ModelInstanceGroup.KIND_CPU
    assert kinds["gpu"].instance_group[0].kind == ModelInstanceGroup.KIND_GPU
    assert kinds["embedded"].max_batch_size == 1
    assert kinds["gpu"].max_batch_size == 16


@pytest.mark.parametrize("name", PUBLIC)
def test_public_models_take_their_settings(name: str, settings: Settings) -> None:
    public = getattr(settings.service, name)
    config = configure(read_config(REPOSITORY / name), settings)
    (group,) = config.instance_group
    assert (group.count, group.kind) == (public.concurrency, ModelInstanceGroup.KIND_CPU)
    assert config.dynamic_batching.default_queue_policy.max_queue_size == public.queue
    assert config.max_batch_size == 0


@pytest.mark.parametrize("name", [*CORES, *PUBLIC, CONDUCTOR])
def test_configure_changes_nothing_else(name: str, settings: Settings) -> None:
    before = read_config(REPOSITORY / name)
    untouched = ModelConfig()
    untouched.CopyFrom(before)
    after = configure(before, settings)
    assert before == untouched
    for config in (before, after):
        for field in ("max_batch_size", "instance_group", "dynamic_batching", "parameters"):
            config.ClearField(field)
    assert after == before


def test_the_conductor_tells_what_the_server_runs(tmp_path: Path) -> None:
    def told(settings: Settings) -> dict[str, str]:
        config = configure(read_config(REPOSITORY / CONDUCTOR), settings)
        return {name: value.string_value for name, value in config.parameters.items()}

    assert told(Settings()) == {
        "whisper": "base",
        "compute_type": "int8",
        "diarization": "embedded",
        "upload_mb": "512",
        "audio_hours": "8",
    }
    folder = tmp_path / "own-whisper"
    folder.mkdir()
    # Where it lies is not told.
    assert told(Settings(whisper={"model": str(folder)}))["whisper"] == "own-whisper"


def test_the_repository_is_written_with_the_code_linked(tmp_path: Path, settings: Settings) -> None:
    names = write_repository(REPOSITORY, tmp_path / "models", settings)
    assert names == model_names(REPOSITORY)
    for name in names:
        folder = tmp_path / "models" / name
        assert sorted(path.name for path in folder.iterdir()) == ["1", "config.pbtxt"]
        assert (folder / "1" / "model.py").samefile(REPOSITORY / name / "1" / "model.py")
        written = text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())
        assert written == configure(read_config(REPOSITORY / name), settings)


def test_the_repository_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_repository(Settings()) == REPOSITORY
    monkeypatch.setenv("TRIOLOGUE_MODEL_REPOSITORY", str(tmp_path))
    assert find_repository(Settings()) == tmp_path
    monkeypatch.setenv("TRIOLOGUE_MODEL_REPOSITORY", str(tmp_path / "none"))
    with pytest.raises(LaunchError, match=r"no model repository at .*none: set TRIOLOGUE_MODEL_REPOSITORY"):
        find_repository(Settings())


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="there is no Triton model in"):
        model_names(tmp_path)
    (tmp_path / "docs").mkdir()
    with pytest.raises(LaunchError, match=r"docs is no Triton model: it has no config\.pbtxt"):
        model_names(tmp_path)


def test_a_configuration_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.pbtxt").write_text("max_batch_sise: 3")
    with pytest.raises(LaunchError, match=r"config\.pbtxt is not valid: .*max_batch_sise"):
        read_config(tmp_path)
