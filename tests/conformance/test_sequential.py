"""Sequential mode against faster-whisper's own: the same texts at the same times, whatever the options."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment

from tests.conformance.in_process import Samples, Whisper, assert_same_words
from tests.full import full
from triologue.schema import TranscriptionResult
from triologue_server.audio import SAMPLE_RATE, decode_audio, to_float

# Above it samples are drawn at random. Speech detection is off by default in faster-whisper.
DEFAULTS = {"temperature": 0.0, "vad_filter": False}

MEETINGS = Path(__file__).parents[3] / "shared" / "data" / "conversations"


def assert_same(ours: TranscriptionResult, theirs: list[Segment], duration: float) -> None:
    assert [segment.text for segment in ours.segments] == [segment.text for segment in theirs]
    if theirs[0].words is not None:
        assert_same_words(ours.segments, theirs)
        return
    # Whisper may tell times behind the end of the recording.
    expected = [(min(segment.start, duration), min(segment.end, duration)) for segment in theirs]
    times = [(part.time_interval.start, part.time_interval.end) for part in ours.segments]
    assert np.array(times) == pytest.approx(np.array(expected), abs=0.01)


def compare(whisper: Whisper, faster_whisper: WhisperModel, samples: Samples, **options: Any) -> list[str]:
    """Transcribe in both ways, and return the texts of the segments."""
    options = {**DEFAULTS, **options}
    ours = whisper.transcribe(samples, mode="sequential", **options)
    segments, info = faster_whisper.transcribe(to_float(samples), **options)
    assert_same(ours, list(segments), len(samples) / SAMPLE_RATE)
    assert ours.transcription_info.language == info.language
    confidence = ours.transcription_info.language_confidence
    assert confidence == pytest.approx(info.language_probability, abs=0.01)
    return [segment.text for segment in ours.segments]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"initial_prompt": "A call of Diane's and Sheila's."}, id="prompt"),
        pytest.param({"prefix": "Well, hello"}, id="prefix"),
        pytest.param({"hotwords": "Yankee, Diane"}, id="hotwords"),
        pytest.param({"clip_timestamps": [6.0, 14.0, 20.0]}, id="clips"),
        pytest.param({"without_timestamps": True}, id="without timestamps"),
        pytest.param(
            {"vad_filter": True, "vad_parameters": {"threshold": 0.9, "min_silence_duration_ms": 100}},
            id="speech detection",
        ),
    ],
)
def test_sample(
    english_whisper: Whisper, english_faster_whisper: WhisperModel, sample: Samples, options: dict[str, Any]
) -> None:
    compare(english_whisper, english_faster_whisper, sample, **options)


@full
def test_words_by_a_multilingual_model(
    whisper: Whisper, faster_whisper: WhisperModel, sample: Samples
) -> None:
    compare(whisper, faster_whisper, sample, word_timestamps=True)


def test_language_of_each_window(whisper: Whisper, faster_whisper: WhisperModel, sample: Samples) -> None:
    compare(whisper, faster_whisper, sample[6 * SAMPLE_RATE : 18 * SAMPLE_RATE], multilingual=True)


class TestSeveralWindows:
    """Each option also makes a difference, so that it is not the same text for want of any."""

    @pytest.fixture(scope="class")
    def heard(
        self, english_whisper: Whisper, english_faster_whisper: WhisperModel, composed: Samples
    ) -> Callable[..., list[str]]:
        """Compare on the composed recording, once for the same options; return the texts."""

        @cache
        def heard(**options: Any) -> list[str]:
            return compare(english_whisper, english_faster_whisper, composed, **options)

        return heard

    def test_previous_text_leads_on(self, heard: Callable[..., list[str]]) -> None:
        assert heard() != heard(condition_on_previous_text=False)

    @full
    def test_words_tell_where_the_next_window_begins(self, heard: Callable[..., list[str]]) -> None:
        assert heard() != heard(word_timestamps=True)

    def test_silence_around_made_up_text_is_skipped(self, heard: Callable[..., list[str]]) -> None:
        skipped = heard(word_timestamps=True, hallucination_silence_threshold=1.0)
        assert skipped != heard(word_timestamps=True)

    @full
    def test_text_behind_the_last_timestamp_is_not_aligned(self, heard: Callable[..., list[str]]) -> None:
        """The next window begins there, and hears it again."""
        assert heard(word_timestamps=True, max_new_tokens=30) != heard(word_timestamps=True)

    @full
    def test_words_of_speech_alone(self, heard: Callable[..., list[str]]) -> None:
        assert heard(word_timestamps=True, vad_filter=True) != heard(word_timestamps=True)


@pytest.mark.skipif(not MEETINGS.is_dir(), reason="the recordings of meetings are not here")
@pytest.mark.parametrize("name", ["dev00", "dev01", "trn06", "trn07"])
def test_meeting(english_whisper: Whisper, english_faster_whisper: WhisperModel, name: str) -> None:
    recording = decode_audio((MEETINGS / f"{name}.wav").read_bytes(), 60.0)
    compare(english_whisper, english_faster_whisper, recording.samples, beam_size=1)
