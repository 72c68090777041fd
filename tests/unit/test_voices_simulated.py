"""Synthetic voices: who they are, what they say, and what espeak-ng makes of it where it is installed."""

import json
import os
import shutil
import string
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.simulate import Utterance, load, simulate
from benchmarks.simulate.sentences import BACKCHANNELS, SENTENCES
from benchmarks.simulate.voices import VARIANTS, Voice, check, main, speak, voices
from benchmarks.speech import wav
from triologue_server.audio import SAMPLE_RATE

SAID = len(SENTENCES) + len(BACKCHANNELS)
VOICE = Voice("f4", "en-us", pitch=50, speed=125)
HUM = (3000 * np.sin(np.arange(SAMPLE_RATE) / 10)).astype(np.int16)

app = typer.Typer()
app.command()(main)


def in_path(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put an espeak-ng before all others, whose script lies in its folder."""
    path = folder / "espeak-ng"
    path.write_text(f'#!/bin/sh\ncd "${{0%/*}}"\n{script}\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


class TestSentences:
    def test_are_plain(self) -> None:
        plain = set(string.ascii_letters + " ,.?'-")
        for text in [*SENTENCES, *BACKCHANNELS]:
            assert set(text) <= plain, text
            assert text == " ".join(text.split())
            assert text[0].isupper()
            assert text[-1] in ".?"
        assert len({*SENTENCES, *BACKCHANNELS}) == SAID

    def test_have_their_lengths(self) -> None:
        assert 60 <= len(SENTENCES) <= 100
        assert {len(text.split()) for text in SENTENCES} <= set(range(4, 21))
        assert {len(text.split()) for text in BACKCHANNELS} == {1, 2}


class TestVoices:
    def test_no_two_are_the_same(self) -> None:
        found = voices(len(VARIANTS), seed=0)
        assert sorted(voice.variant for voice in found) == sorted(VARIANTS)
        assert len({voice.accent for voice in found}) > 1
        assert len({voice.pitch for voice in found}) > len(found) / 2

    def test_are_decided_by_the_seed(self) -> None:
        assert voices(4, seed=1) == voices(4, seed=1) != voices(4, seed=2)

    def test_are_not_without_end(self) -> None:
        with pytest.raises(ValueError, match=f"and there are {len(VARIANTS)}"):
            voices(len(VARIANTS) + 1, seed=0)


class TestProgram:
    def test_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(FileNotFoundError, match="apt-get install espeak-ng"):
            speak("Yes.", VOICE)
        refused = CliRunner().invoke(app, [str(tmp_path / "out")])
        assert refused.exit_code == 1
        assert "apt-get install espeak-ng" in refused.output
        assert not (tmp_path / "out").exists()

    def test_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        in_path(tmp_path, monkeypatch, "exit 3")
        with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
            speak("Yes.", VOICE)

    def test_is_told_how_to_speak(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "hum.wav").write_bytes(wav(HUM))
        in_path(tmp_path, monkeypatch, 'echo "$*" > told; cat > text; cat hum.wav')
        assert np.array_equal(speak("Good morning.", VOICE), HUM)
        assert (tmp_path / "told").read_text() == "--stdin --stdout -v en-us+f4 -p 50 -s 125\n"
        assert (tmp_path / "text").read_text() == "Good morning."

    def test_lacks_a_voice(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        missing, *others = VARIANTS
        (tmp_path / "known").write_text("\n".join(f" 5 --/M {name} !v/{name} " for name in others))
        in_path(tmp_path, monkeypatch, "cat known")
        with pytest.raises(ValueError, match=f"has no voices {missing};"):
            check()
        refused = CliRunner().invoke(app, [str(tmp_path / "out")])
        assert refused.exit_code == 1
        assert f"has no voices {missing};" in refused.output
        assert not (tmp_path / "out").exists()


class TestFolder:
    def test_is_one_of_utterances(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "known").write_text("\n".join(f"!v/{name}" for name in VARIANTS))
        (tmp_path / "hum.wav").write_bytes(wav(HUM))
        in_path(tmp_path, monkeypatch, "cat > text; case $1 in --voices*) cat known;; *) cat hum.wav;; esac")
        out = tmp_path / "new" / "out"
        assert CliRunner().invoke(app, [str(out), "--speakers", "2", "--seed", "3"]).exit_code == 0
        names = [voice.variant for voice in voices(2, seed=3)]
        assert sorted(path.name for path in out.iterdir()) == sorted([*names, "utterances.jsonl"])
        found = load(out)
        assert {utterance.speaker for utterance in found} == set(names)
        for name in names:
            texts = [utterance.text for utterance in found if utterance.speaker == name]
            assert texts == [*SENTENCES, *BACKCHANNELS]
        assert {utterance.language for utterance in found} == {"en"}
        lines = (out / "utterances.jsonl").read_text().splitlines()
        assert json.loads(lines[0]) == {
            "audio": f"{names[0]}/000.wav",
            "speaker": names[0],
            "text": SENTENCES[0],
            "language": "en",
        }

    def test_is_a_new_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Voices of another seed would mix with those that are there."""
        (tmp_path / "out").mkdir()
        in_path(tmp_path, monkeypatch, "exit 3")
        assert CliRunner().invoke(app, [str(tmp_path / "out")]).exit_code == 2
        assert not list((tmp_path / "out").iterdir())


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
class TestSpeech:
    @pytest.fixture(scope="class")
    def utterances(self, tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
        out = tmp_path_factory.mktemp("data") / "voices"
        main(out, speakers=2, seed=0)
        return load(out)

    def test_is_decided_by_all_of_a_voice(self) -> None:
        first, again = (speak("See you after lunch.", VOICE) for _ in range(2))
        assert np.array_equal(first, again)
        for change in ({"pitch": 60}, {"speed": 115}, {"accent": "en"}):
            assert not np.array_equal(first, speak("See you after lunch.", replace(VOICE, **change)))

    def test_every_voice_is_another(self) -> None:
        """There are accents under which espeak-ng leaves the variant out without a word."""
        drawn = [voice for seed in range(20) for voice in voices(len(VARIANTS), seed)]
        kinds = {(voice.accent, voice.variant) for voice in drawn}
        said = {speak("Hello.", Voice(variant, accent, 50, 125)).tobytes() for accent, variant in kinds}
        assert len(said) == len(kinds) > len(VARIANTS)

    def test_back_channels_are_short_and_nothing_else_is(self, utterances: list[Utterance]) -> None:
        assert len(utterances) == 2 * SAID
        for utterance in utterances:
            short = utterance.length <= 1.2 * SAMPLE_RATE
            assert short == (utterance.text in BACKCHANNELS), utterance.text

    def test_words_of_back_channels_are_known(self, utterances: list[Utterance]) -> None:
        conversation = simulate(utterances, speakers=2, seconds=300, seed=0, overlap=0.2, backchannels=0.5)
        within = [
            turn
            for turn in conversation.turns
            if any(over.start < turn.start and turn.end < over.end for over in conversation.turns)
        ]
        assert len(within) > 5
        assert {turn.text for turn in within} <= set(BACKCHANNELS)
        assert conversation.language == "en"
        said = conversation.stm("talk")
        assert said is not None
        assert len(said.splitlines()) == len(conversation.turns)
