"""Simulated conversations: what their truth says is what is in their samples.

Each speaker is a tone of his own, so that who is heard when can be told from the samples alone.
"""

import json
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from pyannote.database.util import load_rttm
from typer.testing import CliRunner

from benchmarks.encoded import Format
from benchmarks.recordings import recordings
from benchmarks.simulate import Conversation, Utterance, load, simulate
from benchmarks.simulate.__main__ import Range, main
from benchmarks.simulate.activity import speech_in
from benchmarks.speech import Samples, sample, wav
from benchmarks.spoken import read_stm
from triologue_server.audio import SAMPLE_RATE, decode_audio

TONES = {"anna": 200, "ben": 400, "carl": 600, "dora": 800, "emil": 1000}  # Hz
LENGTHS = (1.5, 2.0, 3.0, 4.5, 6.0)  # seconds


def tone(frequency: float, seconds: float) -> Samples:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (3000 * np.sin(2 * np.pi * frequency * times)).astype(np.int16)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.int16)


def burst(seconds: float) -> Samples:
    """Return noise, whose spectrum is flat."""
    rng = np.random.default_rng(0)
    return (1000 * rng.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.int16)


@pytest.fixture(scope="module")
def utterances() -> list[Utterance]:
    return [
        Utterance.of(
            name,
            np.concatenate([silence(0.3), tone(frequency, seconds), silence(0.2)]),
            f"{name} speaks for {seconds:g} seconds",
            "en",
        )
        for name, frequency in TONES.items()
        for seconds in LENGTHS
    ]


@pytest.fixture(scope="module")
def hour(utterances: list[Utterance]) -> Conversation:
    return simulate(utterances, speakers=4, seconds=3600, seed=0, overlap=0.2, pause=0.8)


def loudness(samples: Samples) -> NDArray[np.float64]:
    """Root mean square of each 10 ms, (frames,)."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(np.float64)
    return np.sqrt(np.mean(frames**2, axis=1))


def heard(samples: Samples) -> dict[str, NDArray[np.bool_]]:
    """Say who is heard in each 10 ms; the bins of its spectrum are 100 Hz apart."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    spectrum = np.abs(np.fft.rfft(frames, axis=1)) / 80
    return {name: spectrum[:, frequency // 100] > 300 for name, frequency in TONES.items()}


def spoken(conversation: Conversation, name: str) -> NDArray[np.bool_]:
    """Say for each 10 ms whether a speaker has a turn."""
    turns = np.zeros(len(conversation.samples) // 160, bool)
    for turn in conversation.turns:
        if turn.speaker == name:
            for start, end in turn.speech:
                turns[round(start * 100) : round(end * 100)] = True
    return turns


def power_above(samples: Samples, frequency: float) -> float:
    """Share of the power above a frequency."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE) > frequency].sum() / power.sum())


class TestUtterances:
    def test_silence_around_speech_is_left_out_but_for_a_moment(self) -> None:
        utterance = Utterance.of("anna", np.concatenate([silence(1.0), burst(2.0), silence(0.5)]))
        assert len(utterance.samples) == 2.1 * SAMPLE_RATE
        assert utterance.speech == ((0.05 * SAMPLE_RATE, 2.05 * SAMPLE_RATE),)

    @pytest.mark.parametrize(("pause", "stretches"), [(0.3, 1), (0.5, 1), (0.6, 2)])
    def test_long_pauses_divide_speech(self, pause: float, stretches: int) -> None:
        assert len(speech_in(np.concatenate([burst(1.0), silence(pause), burst(1.0)]))) == stretches

    def test_noise_and_breath_are_no_speech(self) -> None:
        """A breath is half as loud as speech, and has no voice."""
        hiss = np.diff(burst(2.6), n=4, prepend=np.zeros(4)) / 16
        samples = np.concatenate([silence(0.3), hiss[: SAMPLE_RATE // 2], silence(0.8), burst(1.0)])
        samples += np.random.default_rng(1).normal(0, 10, len(samples))
        assert speech_in(samples.astype(np.int16)) == ((1.6 * SAMPLE_RATE, 2.6 * SAMPLE_RATE),)

    @pytest.mark.parametrize("samples", [silence(0.0), silence(2.0)])
    def test_silence_is_no_utterance(self, samples: Samples) -> None:
        with pytest.raises(ValueError, match="anna holds no speech"):
            Utterance.of("anna", samples)

    def test_of_a_folder(self, tmp_path: Path) -> None:
        for name in ("a/anna/1.wav", "a/b/ben/1.wav", "a/b/ben/2.wav"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(wav(burst(1.0)))
        (tmp_path / "beside.jsonl").write_text(
            '{"audio": "a/anna/1.wav", "speaker": "Anna", "text": "Hello.", "language": "en"}\n\n'
        )
        (tmp_path / "a" / "b" / "within.jsonl").write_text(
            '{"audio": "ben/2.wav", "text": "Bye."}\n{"x": 1}\n'
        )
        found = load(tmp_path / "a")
        assert [(one.speaker, one.text, one.language) for one in found] == [
            ("Anna", "Hello.", "en"),
            ("ben", None, None),
            ("ben", "Bye.", None),
        ]

    def test_of_a_folder_without_any(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="holds no audio files"):
            load(tmp_path)

    def test_of_a_folder_with_silence(self, tmp_path: Path) -> None:
        (tmp_path / "quiet.wav").write_bytes(wav(silence(1.0)))
        with pytest.raises(ValueError, match=r"quiet\.wav: .* holds no speech"):
            load(tmp_path)


class TestTruth:
    @pytest.mark.parametrize("overlap", [0.0, 0.5])
    def test_speakers_are_heard_in_their_turns_and_nowhere_else(
        self, utterances: list[Utterance], overlap: float
    ) -> None:
        conversation = simulate(
            utterances, speakers=5, seconds=300, seed=1, overlap=overlap, backchannels=0.5
        )
        for name, frames in heard(conversation.samples).items():
            turns = spoken(conversation, name)
            assert turns.any()
            # Turns begin anywhere in a frame, and another tone that begins there is heard as all of them.
            assert np.mean(frames != turns) < 0.02
            inside = np.convolve(turns, np.ones(5), "same")
            assert frames[inside == 5].all()
        everybody = np.sum([spoken(conversation, name) for name in TONES], axis=0)
        apart = np.convolve(everybody, np.ones(3), "same") == 0
        assert not conversation.samples[: len(apart) * 160].reshape(-1, 160)[apart].any()
        assert everybody.max() == 2

    def test_pauses_in_an_utterance_divide_its_turn(self) -> None:
        utterance = Utterance.of("anna", np.concatenate([burst(1.0), silence(0.8), burst(2.0)]), "Well, no.")
        conversation = simulate([utterance], speakers=1, seconds=6, seed=0)
        (turn,) = conversation.turns
        (first, second) = turn.speech
        assert second[0] - first[1] == pytest.approx(0.8)
        assert (turn.start, turn.end) == (first[0], second[1])
        assert conversation.rttm("a b").count("SPEAKER a_b 1 ") == 2
        assert conversation.stm("a b") == f"a_b 1 anna {turn.start:.3f} {turn.end:.3f} Well, no.\n"

    def test_short_pauses_between_utterances_do_not_interrupt_a_speaker(self) -> None:
        utterance = Utterance.of("anna", burst(1.0))
        conversation = simulate([utterance], speakers=1, seconds=60, seed=0, pause=0.05)
        assert len(conversation.stretches()) < len(conversation.turns) / 10

    def test_overlapping_turns_are_as_many_as_asked_for(self, hour: Conversation) -> None:
        changes = [(one, other) for one, other in pairwise(hour.turns) if one.speaker != other.speaker]
        overlaps = [one.end - other.start for one, other in changes if other.start < one.end]
        assert len(overlaps) / len(changes) == pytest.approx(0.2, abs=0.04)
        assert min(overlaps) >= 0.2 - 1e-9
        assert max(overlaps) <= 1.5

    def test_pauses_have_the_mean_asked_for(self, hour: Conversation) -> None:
        pauses = [other.start - one.end for one, other in pairwise(hour.turns)]
        assert np.mean([pause for pause in pauses if pause > 0]) == pytest.approx(0.8, rel=0.15)

    @pytest.mark.parametrize("speakers", [1, 2, 5])
    def test_everybody_asked_for_speaks(self, utterances: list[Utterance], speakers: int) -> None:
        for seed in range(10):
            conversation = simulate(utterances, speakers=speakers, seconds=45, seed=seed)
            assert len(conversation.speakers) == speakers
            assert conversation.turns[-1].end <= 45

    def test_speakers_answer_each_other(self, hour: Conversation) -> None:
        """Of the three others, whoever spoke before the last one is the next more often than not."""
        order = [one.speaker for one, other in pairwise(hour.turns) if one.speaker != other.speaker]
        back = np.mean([one == other for one, other in zip(order, order[2:], strict=False)])
        assert 0.5 < back < 0.65
        assert 1.3 < len(hour.turns) / len(order) < 1.9

    def test_backchannels_lie_in_the_turn_of_another(self, utterances: list[Utterance]) -> None:
        conversation = simulate(utterances, speakers=3, seconds=600, seed=0, overlap=0, backchannels=0.5)
        words = [turn for turn in conversation.turns if turn.text is None]
        assert len(words) > 10
        for word in words:
            assert word.end - word.start <= 0.8
            (over,) = [turn for turn in conversation.turns if turn.start < word.start < turn.end]
            assert over.end > word.end
            assert over.speaker != word.speaker
        assert conversation.stm("a") is None

    def test_short_utterances_are_backchannels_with_words(self, utterances: list[Utterance]) -> None:
        short = [Utterance.of(name, tone(frequency, 0.4), "Yes.", "en") for name, frequency in TONES.items()]
        conversation = simulate(utterances + short, speakers=3, seconds=600, seed=0, backchannels=0.5)
        said = conversation.stm("a")
        assert said is not None
        assert said.count("Yes.") > 20

    def test_language_is_that_of_all(self, utterances: list[Utterance]) -> None:
        assert simulate(utterances, speakers=5, seconds=60, seed=0).language == "en"
        other = Utterance.of("zoé", burst(2.0), language="fr")
        assert simulate([*utterances, other], speakers=6, seconds=60, seed=0).language is None

    @pytest.mark.parametrize("speakers", [0, 6])
    def test_no_more_speakers_than_there_are(self, utterances: list[Utterance], speakers: int) -> None:
        with pytest.raises(ValueError, match="utterances of 5 are there"):
            simulate(utterances, speakers=speakers, seconds=60, seed=0)

    def test_no_time_to_say_anything(self, utterances: list[Utterance]) -> None:
        with pytest.raises(ValueError, match=r"no utterance is shorter than 0\.5 s"):
            simulate(utterances, speakers=2, seconds=0.5, seed=0)


class TestSound:
    def test_is_decided_by_the_seed(self, utterances: list[Utterance]) -> None:
        first, again, other = (
            simulate(utterances, speakers=3, seconds=60, seed=seed, noise_db=20) for seed in (1, 1, 2)
        )
        assert np.array_equal(first.samples, again.samples)
        assert first.turns == again.turns
        assert first.turns != other.turns

    @pytest.mark.parametrize("noise_db", [None, 20.0])
    def test_telephone_leaves_its_band(self, noise_db: float | None) -> None:
        utterance = Utterance.of("anna", burst(3.0))
        wide, narrow = (
            simulate([utterance], speakers=1, seconds=20, seed=0, noise_db=noise_db, telephone=telephone)
            for telephone in (False, True)
        )
        assert power_above(wide.samples, 4000) > 0.3
        assert power_above(narrow.samples, 4000) < 1e-3
        assert power_above(narrow.samples, 200) > 0.999
        assert narrow.turns == wide.turns

    @pytest.mark.parametrize("noise_db", [15.0, 25.0])
    def test_noise_is_so_far_below_speech(self, noise_db: float) -> None:
        quiet, noisy = (
            simulate(
                [Utterance.of("anna", burst(3.0))],
                speakers=1,
                seconds=150,
                seed=0,
                level_db=0,
                noise_db=noise,
            )
            for noise in (None, noise_db)
        )
        added = noisy.samples.astype(float) - quiet.samples
        speech = loudness(quiet.samples)
        apart = np.sqrt(np.mean(speech[speech > 100] ** 2)) / np.std(added)
        assert 20 * np.log10(apart) == pytest.approx(noise_db, abs=1)

    @pytest.mark.parametrize(("level_db", "least", "most"), [(0, 0, 3), (20, 6, 23)])
    def test_some_speak_up(
        self, utterances: list[Utterance], level_db: float, least: float, most: float
    ) -> None:
        conversation = simulate(utterances, speakers=5, seconds=200, seed=1, level_db=level_db, overlap=0)
        level = loudness(conversation.samples)
        levels = [np.median(level[spoken(conversation, name)]) for name in TONES]
        assert least < 20 * np.log10(max(levels) / min(levels)) < most

    def test_loud_speech_is_clipped_and_does_not_wrap_around(self) -> None:
        clicks = np.where(np.arange(2 * SAMPLE_RATE) % 800 == 0, 20_000, 0).astype(np.int16)
        utterance = Utterance("anna", clicks, ((0, len(clicks)),))
        conversation = simulate([utterance], speakers=1, seconds=10, seed=0)
        assert conversation.samples.max() == 32767
        assert conversation.samples.min() == 0

    def test_a_long_one_takes_little_more_memory_than_its_samples(self, utterances: list[Utterance]) -> None:
        tracemalloc.start()
        try:
            conversation = simulate(utterances, speakers=5, seconds=3600, seed=0, noise_db=20)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert conversation.turns[-1].end > 3590
        assert peak < conversation.samples.nbytes + 80e6

    def test_real_speech(self) -> None:
        conversation = sample()
        clips = [
            Utterance.of(name, conversation[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)])
            for name, start, end in (("diane", 6.5, 7.3), ("sheila", 7.5, 8.3), ("diane", 8.4, 9.0))
        ]
        made = simulate(clips, speakers=2, seconds=20, seed=0)
        level = loudness(made.samples)
        inside = np.any([spoken(made, name) for name in ("diane", "sheila")], axis=0)
        assert np.median(level[inside]) > 30 * np.median(level[~inside])


class TestFiles:
    FOLDERS = ("anna", "ben lee", "carl")

    @pytest.fixture(scope="class")
    def voices(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("data") / "voices"
        lines = []
        for name, frequency in zip(self.FOLDERS, TONES.values(), strict=False):
            (folder / name).mkdir(parents=True)
            (folder / name / "1.wav").write_bytes(wav(tone(frequency, 1.5)))
            lines.append({"audio": f"{name}/1.wav", "text": f"this is\n{name}", "language": "en"})
        (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, lines)))
        return folder

    @pytest.mark.parametrize("file_format", Format)
    def test_can_be_read_back(self, voices: Path, tmp_path: Path, file_format: Format) -> None:
        main(
            tmp_path / "out", [voices], count=2, speakers=Range(2, 3), minutes=Range(1.1, 1.2),
            file_format=file_format,
        )  # fmt: skip
        lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
        for entry, found in zip(map(json.loads, lines), recordings(tmp_path), strict=True):
            decoded = decode_audio(found.path.read_bytes(), 100)
            assert 66 <= decoded.seconds <= 72
            name = found.path.stem
            (annotation,) = load_rttm(tmp_path / "out" / entry["rttm"]).values()
            assert annotation.uri == name
            assert len(annotation.labels()) == entry["speakers"]
            assert set(annotation.labels()) <= {"anna", "ben_lee", "carl"}
            speech = annotation.get_timeline().support()
            quiet = np.mean(loudness(decoded.samples) < 100)
            # A pause of half a second at most counts as speech.
            assert 1 - speech.duration() / decoded.seconds <= quiet
            assert entry["language"] == found.language == "en"
            assert found.spoken == read_stm(tmp_path / "out" / entry["stm"])
            assert found.reference is not None
            assert found.reference.startswith("this is ")

    def test_flac_holds_the_samples_of_wav(self, voices: Path, tmp_path: Path) -> None:
        for file_format in (Format.FLAC, Format.WAV):
            main(
                tmp_path,
                [voices],
                count=1,
                minutes=Range(1, 1),
                file_format=file_format,
                speakers=Range(2, 2),
            )
        flac, plain = (
            decode_audio((tmp_path / f"conversation-000.{file_format.value}").read_bytes(), 400).samples
            for file_format in (Format.FLAC, Format.WAV)
        )
        assert len(flac) == 60 * SAMPLE_RATE
        assert np.array_equal(flac, plain)

    def test_only_some_may_speak(self, voices: Path, tmp_path: Path) -> None:
        main(
            tmp_path, [voices], only=["anna", "carl"], count=1, speakers=Range(2, 2), minutes=Range(0.5, 0.5),
            backchannels=Range(1, 1), overlap=Range(0, 0.5), noise_db=Range(10, 20), telephone=True,
        )  # fmt: skip
        (annotation,) = load_rttm(tmp_path / "conversation-000.rttm").values()
        assert annotation.labels() == ["anna", "carl"]

    def test_command_line(self, voices: Path, tmp_path: Path) -> None:
        app = typer.Typer()
        app.command()(main)
        arguments = [str(tmp_path / "out"), "--utterances", str(voices), "--count", "2", "--speakers", "2-3"]
        arguments += ["--minutes", "0.5", "--noise-db", "15-25", "--format", "wav", "--name", "call"]
        assert CliRunner().invoke(app, arguments).exit_code == 0
        assert sorted(path.name for path in (tmp_path / "out").glob("*.wav")) == [
            "call-000.wav",
            "call-001.wav",
        ]
        refused = CliRunner().invoke(app, [*arguments, "--overlap", "few"])
        assert refused.exit_code == 2

    def test_without_words_there_is_no_stm(self, voices: Path, tmp_path: Path) -> None:
        (voices / "texts.jsonl").rename(voices.parent.parent / "texts")
        try:
            main(tmp_path, [voices], count=1, speakers=Range(2, 2), minutes=Range(0.5, 0.5))
        finally:
            (voices.parent.parent / "texts").rename(voices / "texts.jsonl")
        entry = json.loads((tmp_path / "manifest.jsonl").read_text())
        assert entry == {
            "audio": "conversation-000.flac",
            "rttm": "conversation-000.rttm",
            "language": None,
            "speakers": 2,
        }
        assert not list(tmp_path.glob("*.stm"))

    @pytest.mark.parametrize(("text", "low", "high"), [("4", 4, 4), ("2-8", 2, 8), ("0.05-0.2", 0.05, 0.2)])
    def test_ranges(self, text: str, low: float, high: float) -> None:
        found = Range.parse(text)
        assert found == Range(low, high)
        assert str(found) == text
        rng = np.random.default_rng(0)
        assert all(low <= found.number(rng) <= high for _ in range(50))
        assert {Range(2, 4).whole(rng) for _ in range(50)} == {2, 3, 4}

    @pytest.mark.parametrize("text", ["", "a", "8-2", "1-2-3"])
    def test_no_ranges(self, text: str) -> None:
        with pytest.raises(ValueError, match=r".+"):
            Range.parse(text)
