"""What all fuzzing begins with."""

import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.recordings import recordings


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    """A second and a half of pyannote.audio's sample, as each kind of file."""
    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.origin is not None
    with wave.open(str(Path(spec.origin).parent / "sample" / "sample.wav")) as reader:
        reader.setpos(8 * 16_000)
        return recordings(np.frombuffer(reader.readframes(24_000), np.int16))
