"""What is measured on a GPU, without one: the network of random weights, and the figures."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pynvml
import pytest
import typer
from faster_whisper import WhisperModel
from typer.testing import CliRunner

from benchmarks import gpu as bench
from benchmarks.encoded import Format
from benchmarks.on_gpu.figures import BATCHED, ONE_BY_ONE, SERVICE, Load, goals, percentile
from benchmarks.on_gpu.random_whisper import TINY, TURBO, decoding_of, random_whisper
from benchmarks.on_gpu.vocabulary import SIZE, are_words, tokens_of
from benchmarks.on_gpu.watch import Gpu, GpuWatch, NoGpu
from benchmarks.peers import Peers
from benchmarks.report import Report, markdown
from benchmarks.speech import clips, long_conversation, sample
from triologue_server.audio import SAMPLE_RATE, decode_audio, to_float
from triologue_server.settings import Settings
from triologue_server.store import ModelStore
from triologue_server.transcription.processor import WhisperProcessor
from triologue_server.transcription.whisper import WhisperCore, WindowRequest
from triologue_server.transcription.window import WindowOptions

ALIKE = {"without_timestamps": True, "word_timestamps": True, "condition_on_previous_text": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_whisper(TINY, tmp_path_factory.mktemp("models"), ModelStore())


@pytest.fixture(scope="module")
def settings(folder: Path) -> Settings:
    changes: dict[str, Any] = {"whisper": {"model": str(folder)}}
    return Settings(profile="embedded", **changes)


@pytest.fixture(scope="module")
def peers(settings: Settings) -> Peers:
    return Peers(settings.whisper, ModelStore(settings.models))


class TestVocabulary:
    def test_cantonese_is_put_behind_the_other_languages(self, folder: Path) -> None:
        tokens = tokens_of(folder)
        assert len(tokens) == SIZE
        assert tokens[50_256:50_260] == ["", "<|endoftext|>", "<|startoftranscript|>", "<|en|>"]
        assert tokens[50_357:50_360] == ["<|su|>", "<|yue|>", "<|translate|>"]
        assert tokens[50_364:50_366] == ["<|notimestamps|>", "<|0.00|>"]
        assert tokens[-1] == "<|30.00|>"
        assert json.loads((folder / "vocabulary.json").read_text(encoding="utf-8")) == tokens

    def test_ids_move_with_their_tokens(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        assert config["suppress_ids"][-6:] == [50_258, 50_359, 50_360, 50_361, 50_362, 50_363]
        assert config["suppress_ids_begin"] == [220, 50_257]
        assert (config["lang_ids"][0], config["lang_ids"][-1]) == (50_259, 50_358)
        assert config["alignment_heads"] == [[0, 0], [0, 1]]

    def test_words_begin_with_a_space_and_are_of_letters(self) -> None:
        tokens = ["Ġhere", "here", "Ġ1", "Ġ(", "", "ĠĠ"]
        assert are_words(tokens).tolist() == [True, False, False, False, False, False]


class TestRandomWhisper:
    def test_has_the_shape_of_large_v3(self, folder: Path) -> None:
        model = WhisperModel(str(folder), device="cpu", cpu_threads=1)
        assert model.model.n_mels == model.feature_extractor.mel_filters.shape[0] == 128
        assert model.model.is_multilingual
        assert model.hf_tokenizer.token_to_id("<|yue|>") == 50_358
        assert (TURBO.encoder_layers, TURBO.decoder_layers, TURBO.width, TURBO.heads) == (32, 4, 1280, 20)

    def test_is_made_once(self, folder: Path) -> None:
        made = (folder / "model.bin").stat().st_mtime_ns
        assert random_whisper(TINY, folder.parent, ModelStore()) == folder
        assert (folder / "model.bin").stat().st_mtime_ns == made
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]

    @pytest.mark.parametrize("tokens", [4, 107])
    def test_both_peers_write_as_many_tokens_as_are_wanted(self, peers: Peers, tokens: int) -> None:
        audio = to_float(long_conversation(sample(), 40.0))
        options = {**bench.DECODING, **decoding_of(tokens), **ALIKE}
        for segments in (peers.transcribe(audio, **options), peers.transcribe_batched(audio, **options)):
            assert len(segments) >= 2
            assert {len(segment.tokens) for segment in segments} == {tokens}
            assert {len(segment.words or ()) for segment in segments} == {tokens}

    def test_so_does_the_service(self, folder: Path, settings: Settings) -> None:
        core, processor = WhisperCore(folder, settings.whisper), WhisperProcessor(folder)
        decoding = {
            name: value for name, value in bench.DECODING.items() if name in WindowOptions.model_fields
        }
        options = WindowOptions(**decoding, **decoding_of(107), word_timestamps=True)
        heard = [processor.spectrogram(clip) for clip in clips(sample(), 3, 10.0)]
        found = core.transcribe([WindowRequest(one[: one.frames], options) for one in heard])
        for hypothesis in found:
            assert not isinstance(hypothesis, Exception)
            assert len(hypothesis.tokens) == len(hypothesis.words) == 107

    def test_more_than_whisper_writes_is_refused(self) -> None:
        with pytest.raises(ValueError, match="4 to 224 tokens for a window, not 225"):
            decoding_of(225)


def load(by: str, audio: float, wall: float, at_once: int = 1) -> Load:
    return Load(
        by,
        at_once=at_once,
        audio=audio,
        wall=wall,
        latencies=[3.0, 1.0, 2.0],
        cpu=36.0,
        windows=4,
        words=428,
        utilisation=81.5,
        batches={"whisper": 7.5},
    )


class TestFigures:
    def test_line(self) -> None:
        assert load(SERVICE, 3600.0, 4.0, at_once=8).row() == {
            "by": "service, 8 at once",
            "files": 3,
            "RTFx": 900.0,
            "p50_s": 2.0,
            "p95_s": 3.0,
            "GPU_%": 81.5,
            "GPU_MB": "not measured",
            "cpu_s/h": 36.0,
            "batch_of_whisper": 7.5,
            "batch_of_segmentation": None,
            "batch_of_embedding": None,
            "windows_per_hour": 4,
            "words_per_window": 107.0,
        }

    def test_percentiles(self) -> None:
        assert percentile([float(number) for number in range(1, 21)], 95) == 19.0
        assert percentile([1.0], 50) == 1.0

    def test_goals_are_of_the_service_at_its_best(self) -> None:
        speed, ratio = goals(
            [
                load(SERVICE, 3600.0, 36.0),
                load(SERVICE, 3600.0, 3.0, at_once=32),
                load(SERVICE, 3600.0, 4.0, at_once=64),
                load(ONE_BY_ONE, 3600.0, 50.0),
                load(BATCHED, 3600.0, 18.0),
            ]
        )
        assert (speed.value, speed.bound, speed.goal, speed.holds) == (1200.0, "at least", 1000.0, True)
        assert ratio.value == pytest.approx(6.0)
        assert (ratio.bound, ratio.goal, ratio.holds) == ("at least", 5.0, True)

    def test_goals_may_be_missed(self) -> None:
        loads = [load(SERVICE, 3600.0, 4.0, at_once=32), load(BATCHED, 3600.0, 16.0)]
        assert [goal.holds for goal in goals(loads)] == [False, False]


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise pynvml.NVMLError_LibraryNotFound

    monkeypatch.setattr(pynvml, "nvmlInit", absent)


@pytest.fixture
def some_gpus(monkeypatch: pytest.MonkeyPatch) -> list[str | int]:
    """Let there be GPUs whose memory fills up; return what they were asked for by."""
    asked: list[str | int] = []
    used = iter(range(1_000_000_000, 10**12, 500_000_000))
    for name in ("nvmlDeviceGetHandleByIndex", "nvmlDeviceGetHandleByUUID"):
        monkeypatch.setattr(pynvml, name, asked.append)
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda _: SimpleNamespace(used=next(used)))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", lambda _: SimpleNamespace(gpu=80))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return asked


class TestGpu:
    def test_memory_is_counted_from_what_was_taken_at_first(self, some_gpus: list[str | int]) -> None:
        gpu = Gpu(0)
        assert some_gpus == [0]
        assert [gpu.used_mb(), gpu.used_mb()] == [500.0, 1000.0]

    def test_is_watched(self, some_gpus: list[str | int], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("benchmarks.on_gpu.watch._INTERVAL_S", 0.001)
        with GpuWatch(Gpu(0)) as watch:
            while not watch.most_mb:
                time.sleep(0.001)
        assert watch.utilisation == 80.0
        assert watch.most_mb >= 500.0

    @pytest.mark.parametrize(("visible", "asked"), [("2,3", 3), ("GPU-a, GPU-b", "GPU-b")])
    def test_numbers_are_those_of_cuda(
        self, visible: str, asked: str | int, some_gpus: list[str | int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        Gpu(1)
        assert some_gpus == [asked]

    def test_none_may_be_visible(self, some_gpus: list[str | int], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        with pytest.raises(NoGpu, match="CUDA_VISIBLE_DEVICES names no GPU 0"):
            Gpu(0)

    def test_without_one_nothing_is_known(self) -> None:
        with GpuWatch(None) as watch:
            pass
        assert watch.utilisation is watch.most_mb is None


@pytest.mark.usefixtures("no_gpu")
class TestWithoutGpu:
    def run(self, monkeypatch: pytest.MonkeyPatch, results: Path) -> Any:
        monkeypatch.setattr(bench, "RESULTS", results)
        app = typer.Typer()
        app.command()(bench.main)
        return CliRunner().invoke(app, [])

    def test_the_table_says_that_nothing_was_measured(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = self.run(monkeypatch, tmp_path)
        assert done.exit_code == 0
        assert "nothing was measured: NVIDIA's management library finds none" in done.output
        report = Report.load("gpu", tmp_path)
        assert report.goals == []
        assert report.rows[0]["by"] == "service, 1 at once"
        assert {row["RTFx"] for row in report.rows} == {"not measured"}
        assert "| service, 64 at once | not measured |" in markdown(report)

    def test_what_was_measured_before_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = Report(options={}, rows=[load(SERVICE, 3600.0, 3.0).row()])
        before.save("gpu", tmp_path)
        done = self.run(monkeypatch, tmp_path)
        assert done.exit_code == 0
        assert "1200.00" in done.output
        assert Report.load("gpu", tmp_path) == before


class TestPlan:
    def test_every_caller_has_some_recordings(self) -> None:
        sounds = bench.recordings([1.0, 2.0], Format.FLAC)
        plan = bench.Plan("embedded", TINY, (1, 4), (1.0, 2.0), rounds=3)
        assert [sound.seconds for sound in plan.share(sounds, 1)] == [1.0, 2.0, 1.0]
        assert len(plan.share(sounds, 4)) == 12

    def test_recordings_follow_each_other_in_one_conversation(self) -> None:
        first, second = bench.recordings([12.0, 8.0], Format.FLAC)
        whole = long_conversation(sample(), 20.0)
        assert (first.seconds, second.seconds) == (12.0, 8.0)
        samples = decode_audio(second.audio, max_seconds=60).samples
        assert np.array_equal(samples, whole[12 * SAMPLE_RATE :])

    def test_models_are_those_at_hand(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("TRIOLOGUE_DIARIZATION__PIPELINE", raising=False)
        models = bench.models_of(bench.DRY, tmp_path, 64, trained=False)
        assert models.settings.diarization.pipeline == "embedded"
        assert Path(models.settings.whisper.model).parent == tmp_path
        assert models.work == "random weights, 64 tokens a window"
        assert models.options["max_new_tokens"] == 124
        trained = bench.models_of(bench.DRY, tmp_path, 64, trained=True)
        assert trained.settings.whisper.model == "base"
        assert trained.work == "trained weights"
        assert "max_new_tokens" not in trained.options
