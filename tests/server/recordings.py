"""Recordings made on the spot."""

import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def wav(samples: NDArray[np.int16], rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def silence(seconds: float) -> bytes:
    return wav(np.zeros(int(seconds * 16_000), np.int16))


def joined(path: Path, times: int) -> bytes:
    """Return a WAV file with a recording several times over."""
    with wave.open(str(path)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
        return wav(np.tile(samples, times), reader.getframerate())


def part(path: Path, start: float, stop: float) -> bytes:
    """Return a WAV file with what a recording has between two times, in seconds."""
    with wave.open(str(path)) as reader:
        rate = reader.getframerate()
        reader.setpos(round(start * rate))
        return wav(np.frombuffer(reader.readframes(round((stop - start) * rate)), np.int16), rate)


def silent_film() -> bytes:
    """A video without an audio stream."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height = 64, 48
        for _ in range(10):
            picture = np.zeros((48, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()
