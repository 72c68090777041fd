"""Batched mode against faster-whisper's `BatchedInferencePipeline`: the same text of the same windows."""

from typing import Any

import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel

from tests.conformance.in_process import Samples, Whisper
from tests.full import full
from triologue_server.audio import to_float


def compare(whisper: Whisper, faster_whisper: WhisperModel, samples: Samples, **options: Any) -> str:
    """Transcribe in both ways, and return the text."""
    ours = whisper.transcribe(samples, temperature=0.0, **options)
    theirs, info = BatchedInferencePipeline(faster_whisper).transcribe(
        to_float(samples), temperature=0.0, **options
    )
    assert ours.text == "".join(segment.text for segment in theirs).strip()
    assert ours.transcription_info.language == info.language
    return ours.text


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"word_timestamps": True}, id="words"),
        pytest.param({"without_timestamps": True, "hotwords": "Yankee"}, id="hotwords"),
        pytest.param({"beam_size": 1, "repetition_penalty": 1.2, "max_new_tokens": 40}, id="decoding"),
        pytest.param(
            {"vad_parameters": {"threshold": 0.8, "min_silence_duration_ms": 500, "speech_pad_ms": 100}},
            id="speech detection",
        ),
    ],
)
def test_sample(
    english_whisper: Whisper, english_faster_whisper: WhisperModel, sample: Samples, options: dict[str, Any]
) -> None:
    text = compare(english_whisper, english_faster_whisper, sample, **options)
    assert "I didn't know you were there" in text


def test_several_windows(
    english_whisper: Whisper, english_faster_whisper: WhisperModel, composed: Samples
) -> None:
    text = compare(english_whisper, english_faster_whisper, composed)
    assert text.count("I didn't know you were there") == 3


@full
def test_multilingual_model(whisper: Whisper, faster_whisper: WhisperModel, sample: Samples) -> None:
    assert compare(whisper, faster_whisper, sample).startswith("Hello.")
