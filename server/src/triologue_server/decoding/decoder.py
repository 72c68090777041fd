"""From the bytes of a file to 16 kHz, one channel, 16-bit samples: PyAV, which is FFmpeg."""

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from triologue.schema import AudioInfo, InvalidAudio, PayloadTooLarge
from triologue_server.decoding.containers import MAX_STREAMS, OPTIONS

SAMPLE_RATE = 16_000
"""Hz, of what comes out of it."""

Samples = NDArray[np.int16]

# Containers that state the length of their audio in so many samples; others estimate it.
_EXACT_CONTAINERS = {"aiff", "au", "flac", "mov", "wav", "wv"}
_MISSING_SECONDS = 0.5  # shorter than declared by more than this is truncated
_SMALLEST_GAP = 0.2  # seconds; less is jitter
_LONGEST_UNDECLARED_GAP = 60.0  # seconds, where the container does not state its length
_MIN_RATE, _MAX_RATE = 1_000, 768_000  # Hz; a header that states more costs memory and holds no recording
_MAX_CHANNELS = 64
# Titles of songs may be in any encoding; from version 19 on PyAV takes them as they are.
_LENIENT = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}
_UNKNOWN_RIFF_SIZE = 0x7FFFF000  # what writers put down who cannot know the size is at least this
_MOST_RIFF_CHUNKS = 1_000  # before the samples


def decode(upload: IO[bytes], max_seconds: float, write: Callable[[Samples], object]) -> AudioInfo:
    """Decode the first audio stream of an encoded file.

    Args:
        upload: The file, at its beginning, in any container and codec that FFmpeg reads and
            `triologue_server.decoding.containers` lists.
        max_seconds: Longest recording that is accepted, in seconds.
        write: Takes the samples piece by piece, each (samples,).

    Raises:
        InvalidAudio: The upload is no media file, without audio, or ends before its audio does.
        PayloadTooLarge: It holds more than `max_seconds` of audio.
    """
    declared, missing = _samples_of_riff(upload)
    upload.seek(0)
    with _opened(upload) as container:
        if missing:
            raise InvalidAudio(
                f"the upload is truncated: it declares {declared} bytes of samples, and {missing} are missing"
            )
        if len(container.streams) > MAX_STREAMS:
            raise InvalidAudio(f"the upload has more than {MAX_STREAMS} streams")
        if not container.streams.audio:
            kinds = ", ".join(sorted({stream.type for stream in container.streams}))
            raise InvalidAudio(f"the upload has no audio stream, only {kinds or 'a header'}")
        try:
            return _decode_stream(container, max_seconds, write)
        except (av.error.FFmpegError, ValueError, MemoryError) as error:
            raise InvalidAudio(f"the upload's audio cannot be decoded ({_reason(error)})") from None


def _opened(upload: IO[bytes]) -> av.container.InputContainer:
    try:
        return av.open(upload, "r", options=dict(OPTIONS), **_LENIENT)
    except MemoryError:  # which one of FFmpeg's errors is too
        raise InvalidAudio(
            f"the upload takes too much memory to be opened, or has more than {MAX_STREAMS} streams"
        ) from None
    except av.error.ArgumentError as error:
        raise InvalidAudio(
            f"the upload is not a media file, or not in a container that is taken ({_reason(error)})"
        ) from None
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidAudio(
            f"the upload is not a media file that FFmpeg can read ({_reason(error)})"
        ) from None


def _decode_stream(
    container: av.container.InputContainer, max_seconds: float, write: Callable[[Samples], object]
) -> AudioInfo:
    stream = container.streams.audio[0]
    # Without a decoder, some versions of PyAV crash the process when they are asked to decode.
    if stream.codec_context is None:
        raise InvalidAudio("the upload's audio is of a codec that FFmpeg cannot decode here")
    _check_format(stream.codec_context.sample_rate, stream.channels)
    length = 0
    for piece in _resampled(container, stream):
        length += len(piece)
        if length > max_seconds * SAMPLE_RATE:
            raise PayloadTooLarge(f"the recording is longer than the {max_seconds:g} s this server takes")
        write(piece)
    if length == 0:
        raise InvalidAudio("the upload's audio stream holds no samples")
    declared = _declared_seconds(container, stream)
    seconds = length / SAMPLE_RATE
    if declared - seconds > _MISSING_SECONDS:
        raise InvalidAudio(
            f"the upload is truncated: it declares {declared:.1f} s of audio, and {seconds:.1f} s are there"
        )
    return AudioInfo(
        duration=round(seconds, 3), sample_rate=stream.codec_context.sample_rate, channels=stream.channels
    )


def _check_format(rate: int, channels: int) -> None:
    if rate and not _MIN_RATE <= rate <= _MAX_RATE:
        raise InvalidAudio(f"the upload's sample rate of {rate} Hz is not from {_MIN_RATE} to {_MAX_RATE}")
    if channels > _MAX_CHANNELS:
        raise InvalidAudio(f"the upload has {channels} channels, which are more than {_MAX_CHANNELS}")


def _resampled(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[Samples]:
    resampler, setup, clock = _resampler(), None, _Clock(container)
    for frame in _frames(container, stream):
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if found != setup:
            _check_format(frame.sample_rate, frame.layout.nb_channels)
        gap = clock.gap_before(frame)
        if gap or setup not in (None, found):
            # A stream may change its format on the way; a resampler may not.
            yield from _samples(resampler.resample(None))
            yield from _silence(gap)
            resampler = _resampler()
        setup = found
        frame = _mixed(frame) if frame.layout.name.endswith(" channels") else frame
        # Timestamps of broken files run backwards, which the resampler refuses.
        frame.pts = None
        yield from _samples(resampler.resample(frame))
    yield from _samples(resampler.resample(None))


def _mixed(frame: av.AudioFrame) -> av.AudioFrame:
    """Mix the channels of a frame that does not say where they are, such as those of a microphone array."""
    channels = frame.layout.nb_channels
    if frame.format.is_planar:  # which PyAV reads beyond the end of, where there are more than seven
        raise InvalidAudio(f"the upload has {channels} channels, and does not say how to mix them")
    found = frame.to_ndarray()
    mean = found.reshape(-1, channels).mean(axis=1).astype(found.dtype)
    mixed = av.AudioFrame.from_ndarray(mean[None], format=frame.format.name, layout="mono")
    mixed.sample_rate = frame.sample_rate
    return mixed


def _silence(seconds: float) -> Iterator[Samples]:
    """Yield silence a second at a time: whoever adds it up can stop in time."""
    left = round(seconds * SAMPLE_RATE)
    for start in range(0, left, SAMPLE_RATE):
        yield np.zeros(min(SAMPLE_RATE, left - start), np.int16)


class _Clock:
    """Finds where the audio of a container has gaps, such as a recorder's pause or a damaged packet.

    They become silence, or every later word would be told too early.
    """

    def __init__(self, container: av.container.InputContainer) -> None:
        self._origin = (container.start_time or 0) / av.time_base
        self._duration = container.duration and container.duration / av.time_base
        self._now = 0.0

    def gap_before(self, frame: av.AudioFrame) -> float:
        """Return the seconds that are missing before a frame; frames come in order."""
        start = self._now if frame.time is None else frame.time - self._origin
        # A timestamp past the end of the container is damage and no gap.
        end = self._duration or self._now + _LONGEST_UNDECLARED_GAP
        gap = start - self._now if self._now + _SMALLEST_GAP < start <= end else 0.0
        self._now += gap + frame.samples / frame.sample_rate
        return gap


def _resampler() -> AudioResampler:
    return AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _samples(frames: Iterable[av.AudioFrame]) -> Iterator[Samples]:
    return (frame.to_ndarray()[0] for frame in frames)


def _frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """Yield decoded frames; a damaged packet is left out, as FFmpeg does."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            frames = packet.decode()
        except StopIteration:
            return
        except av.error.DecoderNotFoundError:
            raise
        except (av.error.FFmpegError, IndexError):  # the latter is PyAV's, for a stream that turns up late
            continue
        yield from frames


def _declared_seconds(container: av.container.InputContainer, stream: av.AudioStream) -> float:
    exact = _EXACT_CONTAINERS.intersection(container.format.name.split(","))
    if not exact or stream.duration is None or stream.time_base is None:
        return 0.0
    return float(stream.duration * stream.time_base)


def _samples_of_riff(upload: IO[bytes]) -> tuple[int, int]:
    """Return the bytes of samples that a WAV file declares, and how many of them are missing.

    FFmpeg takes the end of the file for theirs. Nothing is missing where that cannot be told.
    """
    end = upload.seek(0, 2)
    upload.seek(0)
    head = upload.read(12)
    at, bytes_a_second = 12, 0
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return 0, 0
    for _ in range(_MOST_RIFF_CHUNKS):
        upload.seek(at)
        chunk = upload.read(20)
        if len(chunk) < 8:
            break
        name, size = struct.unpack_from("<4sI", chunk)
        at += 8
        if name == b"fmt " and len(chunk) == 20:
            (bytes_a_second,) = struct.unpack_from("<I", chunk, 16)
        if name == b"data":
            missing = at + size - end
            is_truncated = size < _UNKNOWN_RIFF_SIZE and missing > bytes_a_second * _MISSING_SECONDS
            return size, missing if is_truncated else 0
        at += size + size % 2
    return 0, 0


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
