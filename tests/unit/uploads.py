"""Files as callers upload them, made on the spot: a tone whose length and loudness are known."""

import io
import wave

import av
import numpy as np
from numpy.typing import NDArray

from triologue_server.audio import SAMPLE_RATE, to_float

SECONDS = 2.0
AMPLITUDE = 0.5
LOUDNESS = AMPLITUDE / 2**0.5  # root mean square of a sine


def tone(rate: int, seconds: float = SECONDS, amplitude: float = AMPLITUDE) -> NDArray[np.int16]:
    """440 Hz at half of full scale, (samples,)."""
    times = np.arange(round(rate * seconds)) / rate
    return (amplitude * 32767 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)


def plain_wav(samples: NDArray[np.int16], rate: int, channels: int = 1) -> bytes:
    """Write 16-bit samples, the same on every channel, with the standard library."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.repeat(channels).tobytes())
    return file.getvalue()


def encoded(
    container: str,
    codec: str | None,
    rate: int = 48_000,
    layout: str = "mono",
    seconds: float = SECONDS,
    video: bool = False,
    amplitude: float = AMPLITUDE,
) -> bytes:
    """Write the tone, the same on every channel, with FFmpeg; `codec=None` leaves audio out."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        # Streams come before packets: the file's header lists them.
        picture = (
            output.add_stream("mpeg4", rate=5, width=64, height=48, pix_fmt="yuv420p") if video else None
        )
        sound = output.add_stream(codec, rate=rate, layout=layout) if codec else None
        if picture is not None:
            for _ in range(round(5 * seconds)):
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                output.mux(picture.encode(frame))
            output.mux(picture.encode(None))
        if sound is not None:
            channels = len(av.AudioLayout(layout).channels)
            samples = av.AudioFrame.from_ndarray(
                tone(rate, seconds, amplitude).repeat(channels)[None], format="s16", layout=layout
            )
            samples.sample_rate = rate
            output.mux(sound.encode(samples))
            output.mux(sound.encode(None))
    return file.getvalue()


def loudness(samples: NDArray[np.int16]) -> float:
    """Root mean square of the middle; codecs fade the ends."""
    middle = to_float(samples[SAMPLE_RATE // 4 : -SAMPLE_RATE // 4])
    return float(np.sqrt(np.mean(middle**2)))


def with_pause(upload: bytes, container: str, pause_at: float, pause: float) -> bytes:
    """Move the sound from a time on, in seconds, to later; the picture stays."""
    file = io.BytesIO()
    with av.open(io.BytesIO(upload)) as whole, av.open(file, "w", format=container) as paused:
        streams = {stream.index: paused.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio" and packet.pts * packet.time_base >= pause_at:
                packet.pts += round(pause / packet.time_base)
                packet.dts += round(pause / packet.time_base)
            packet.stream = streams[packet.stream.index]
            paused.mux(packet)
    return file.getvalue()
