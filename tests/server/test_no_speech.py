"""Recordings without speech: not an error, and no text made up for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.server.recordings import silence, wav
from triologue import Client

SECONDS = 20
TIME = np.arange(SECONDS * 16_000) / 16_000


def noise() -> NDArray[Any]:
    return np.random.default_rng(0).normal(size=len(TIME))


def melody() -> NDArray[Any]:
    """Three tones that come and go."""
    tones = [np.sin(2 * np.pi * pitch * TIME) for pitch in (262, 330, 392)]
    return sum(tone * (np.sin(np.pi * TIME + at) > 0) for at, tone in enumerate(tones)) / 3


SOUNDS: dict[str, Callable[[], NDArray[Any]]] = {
    "white noise": lambda: 0.1 * noise(),
    "faint noise": lambda: 0.003 * noise(),
    "rumble": lambda: 0.002 * np.cumsum(noise()),
    "hum": lambda: 0.3 * np.sin(2 * np.pi * 50 * TIME),
    "melody": melody,
    "clicks": lambda: np.abs(noise()) > 3.3,
}


@pytest.mark.parametrize("seconds", [0.01, 0.5, 12.0])
def test_silence_is_no_error(client: Client, seconds: float) -> None:
    result = client.transcribe_diarized(silence(seconds))
    assert (result.segments, result.turns, result.text) == ([], [], "")
    assert result.transcription_info.language == "silence"
    assert result.transcription_info.language_confidence == 1.0


@pytest.mark.parametrize("sound", SOUNDS)
def test_no_text_is_made_up(http: Client, sound: str) -> None:
    samples = (np.clip(SOUNDS[sound]().astype(float), -1.0, 1.0) * 32_767).astype(np.int16)
    result = http.transcribe(wav(samples))
    assert (result.text, result.transcription_info.language) == ("", "silence")
