"""Other languages than English, on recordings that do not come with the project."""

import json
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conformance.in_process import Samples, Whisper
from triologue_server.audio import decode_audio

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "languages"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings of other languages are not here")


def recording(name: str) -> Samples:
    return decode_audio((FOLDER / name).read_bytes(), 60.0).samples


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """What is said in each recording."""
    rows = [json.loads(line) for line in (FOLDER / "manifest.jsonl").read_text("utf-8").splitlines()]
    return {row["audio"]: row["text"] for row in rows}


@pytest.mark.parametrize("mode", ["batched", "sequential"])
@pytest.mark.parametrize("language", ["de", "es", "fr", "ja"])
def test_language_is_detected_and_written(
    whisper: Whisper, texts: dict[str, str], language: str, mode: str
) -> None:
    name = f"test_{language}.wav"
    result = whisper.transcribe(recording(name), mode=mode, word_timestamps=True, temperature=0.0)
    assert result.transcription_info.language == language
    assert result.transcription_info.language_confidence > 0.9
    assert SequenceMatcher(None, result.text.lower(), texts[name].lower()).ratio() > 0.8
    words = [word for segment in result.segments for word in segment.words]
    assert "".join(word.word for word in words).strip() == result.text
    times = [time for word in words for time in (word.time_interval.start, word.time_interval.end)]
    assert times == sorted(times)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="detected"),
        pytest.param({"language": ...}, id="given"),
        pytest.param({"mode": "sequential"}, id="sequential"),
    ],
)
@pytest.mark.parametrize(
    ("name", "language", "words"),
    [
        pytest.param("test_es.wav", "es", "sand white medium grain", id="es"),
        pytest.param("fleurs-de-000.ogg", "de", "best Hong Kong leave island", id="de"),
        pytest.param("fleurs-fr-002.ogg", "fr", "added ask assume obligations development", id="fr"),
    ],
)
def test_translation_is_english(
    whisper: Whisper, name: str, language: str, words: str, options: dict[str, Any]
) -> None:
    given = {option: language if value is ... else value for option, value in options.items()}
    result = whisper.transcribe(recording(name), task="translate", temperature=0.0, **given)
    assert result.transcription_info.language == language
    said = {word.strip(".,") for word in result.text.split()}
    assert said >= set(words.split())


@pytest.mark.parametrize("mode", ["batched", "sequential"])
def test_each_window_may_be_in_a_language_of_its_own(whisper: Whisper, mode: str) -> None:
    window = 30 * 16_000
    samples = np.zeros(2 * window, np.int16)
    for start, name in ((0, "test_es.wav"), (window, "test_fr.wav")):
        spoken = recording(name)
        samples[start : start + len(spoken)] = spoken
    options = {"mode": mode, "vad_filter": False, "temperature": 0.0}
    result = whisper.transcribe(samples, multilingual=True, **options)
    assert "arenas son blanquecinas" in result.text
    assert "conservateur des eaux et forêts" in result.text
    assert result.transcription_info.language == "es"
    in_spanish = whisper.transcribe(samples, **options)
    assert "eaux et forêts" not in in_spanish.text
