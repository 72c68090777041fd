"""Audio behind the decoder: 16 kHz, one channel, 16-bit samples; and the decoder, PyAV."""

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from triologue.schema import AudioInfo, InvalidAudio, PayloadTooLarge

SAMPLE_RATE = 16_000

# Containers that state the length of their audio in so many samples; others estimate it.
_EXACT_CONTAINERS = {"aiff", "au", "flac", "mov", "wav", "wv"}
_MISSING_SECONDS = 0.5  # shorter than declared by more than this is truncated
_SMALLEST_GAP = 0.2  # seconds; less is jitter
_LONGEST_UNDECLARED_GAP = 60.0  # seconds, where the container does not state its length
_MIN_RATE, _MAX_RATE = 1_000, 768_000  # Hz; a header that states more costs memory and holds no recording
_UNKNOWN_RIFF_SIZE = 0x7FFFF000  # what writers put down who cannot know the size is at least this


@dataclass(frozen=True)
class Recording:
    """A decoded upload."""

    samples: NDArray[np.int16]
    """(samples,) at 16 kHz, channels mixed down to one."""
    info: AudioInfo
    """What the upload was."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def to_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Scale 16-bit samples to -1.0 to 1.0."""
    return samples.astype(np.float32) / 32768.0


def decode_audio(upload: bytes, max_seconds: float) -> Recording:
    """Decode the first audio stream of an encoded file.

    Args:
        upload: The bytes of the file, in any container and codec FFmpeg reads.
        max_seconds: Longest recording that is accepted, in seconds.

    Raises:
        InvalidAudio: The upload is empty, no media file, without audio, or ends before its audio does.
        PayloadTooLarge: It holds more than `max_seconds` of audio.
    """
    if not upload:
        raise InvalidAudio("the upload is empty")
    try:
        # Only the upload itself is read: a playlist may not open other files or addresses.
        container = av.open(
            io.BytesIO(upload), metadata_errors="ignore", options={"protocol_whitelist": "none"}
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidAudio(
            f"the upload is not a media file that FFmpeg can read ({_reason(error)})"
        ) from None
    _refuse_truncated_riff(upload)
    with container:
        if not container.streams.audio:
            kinds = ", ".join(sorted({stream.type for stream in container.streams}))
            raise InvalidAudio(f"the upload has no audio stream, only {kinds or 'a header'}")
        try:
            return _decode_stream(container, max_seconds)
        except (av.error.FFmpegError, ValueError) as error:
            raise InvalidAudio(f"the upload's audio cannot be decoded ({_reason(error)})") from None


def _decode_stream(container: av.container.InputContainer, max_seconds: float) -> Recording:
    stream = container.streams.audio[0]
    _check_stream(stream)
    samples = _joined(_resampled(container, stream), max_seconds)
    length = len(samples)
    if length == 0:
        raise InvalidAudio("the upload's audio stream holds no samples")
    declared = _declared_seconds(container, stream)
    seconds = length / SAMPLE_RATE
    if declared - seconds > _MISSING_SECONDS:
        raise InvalidAudio(
            f"the upload is truncated: it declares {declared:.1f} s of audio, and {seconds:.1f} s are there"
        )
    info = AudioInfo(
        duration=round(seconds, 3), sample_rate=stream.codec_context.sample_rate, channels=stream.channels
    )
    return Recording(samples, info)


def _joined(pieces: Iterable[NDArray[np.int16]], max_seconds: float) -> NDArray[np.int16]:
    """Join pieces into one array that grows in place: hours of samples do not exist twice at any time."""
    samples, length = np.empty(0, np.int16), 0
    for piece in pieces:
        end = length + len(piece)
        if end > max_seconds * SAMPLE_RATE:
            raise PayloadTooLarge(f"the recording is longer than the {max_seconds:g} s this server takes")
        if end > len(samples):
            samples.resize(max(end, len(samples) * 33 // 32), refcheck=False)
        samples[length:end] = piece
        length = end
    samples.resize(length, refcheck=False)
    return samples


def _check_stream(stream: av.AudioStream) -> None:
    # Without a decoder, some versions of PyAV crash the process when they are asked to decode.
    if stream.codec_context is None:
        raise InvalidAudio("the upload's audio is of a codec that FFmpeg cannot decode here")
    rate = stream.codec_context.sample_rate
    if rate and not _MIN_RATE <= rate <= _MAX_RATE:
        raise InvalidAudio(f"the upload's sample rate of {rate} Hz is not from {_MIN_RATE} to {_MAX_RATE}")


def _resampled(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[NDArray[np.int16]]:
    resampler, setup, clock = _resampler(), None, _Clock(container)
    for frame in _frames(container, stream):
        gap = clock.gap_before(frame)
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if gap or setup not in (None, found):
            # A stream may change its format on the way; a resampler may not.
            yield from _samples(resampler.resample(None))
            yield from _silence(gap)
            resampler = _resampler()
        setup = found
        # Timestamps of broken files run backwards, which the resampler refuses.
        frame.pts = None
        yield from _samples(resampler.resample(frame))
    yield from _samples(resampler.resample(None))


def _silence(seconds: float) -> Iterator[NDArray[np.int16]]:
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


def _samples(frames: Iterable[av.AudioFrame]) -> Iterator[NDArray[np.int16]]:
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


def _refuse_truncated_riff(upload: bytes) -> None:
    """Refuse a WAV file that ends before its samples do; FFmpeg takes the end of the file for theirs."""
    if upload[:4] != b"RIFF" or upload[8:12] != b"WAVE":
        return
    at, bytes_a_second = 12, 0
    while at + 8 <= len(upload):
        name, (size,) = upload[at : at + 4], struct.unpack_from("<I", upload, at + 4)
        at += 8
        if name == b"fmt " and at + 12 <= len(upload):
            (bytes_a_second,) = struct.unpack_from("<I", upload, at + 8)
        if name == b"data":
            missing = at + size - len(upload)
            if size < _UNKNOWN_RIFF_SIZE and missing > bytes_a_second * _MISSING_SECONDS:
                raise InvalidAudio(
                    f"the upload is truncated: it declares {size} bytes of samples, and {missing} are missing"
                )
            return
        at += size + size % 2


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
