"""Decoding files, of which every one is made here."""

import contextlib
import io
import random
import struct
import subprocess
import sys
import tracemalloc
import wave
from collections.abc import Callable

import av
import numpy as np
import pytest
from tests.unit.uploads import LOUDNESS, SECONDS, encoded, loudness, plain_wav, tone, with_pause

from triologue.schema import InvalidAudio, PayloadTooLarge
from triologue_server.audio import SAMPLE_RATE, decode_audio, to_float


def with_data_size(wav: bytes, size: int) -> bytes:
    """Change the size that a WAV file declares for its samples, and with it that of the whole file."""
    at = wav.index(b"data") + 4
    whole = struct.pack("<I", min(size + at - 4, 0xFFFFFFFF))
    return wav[:4] + whole + wav[8:at] + struct.pack("<I", size) + wav[at + 4 :]


def decode_apart(upload: bytes) -> str:
    """Decode in a process of its own, for what might end the process; return the error, or nothing."""
    program = (
        "import sys\n"
        "from triologue.schema import TriologueError\n"
        "from triologue_server.audio import decode_audio\n"
        "try:\n"
        "    decode_audio(sys.stdin.buffer.read(), 60.0)\n"
        "except TriologueError as error:\n"
        "    print(error.to_wire())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=upload, capture_output=True)
    assert done.returncode == 0, f"the process ended with {done.returncode}: {done.stderr.decode()[-500:]}"
    return done.stdout.decode().strip()


class TestFormats:
    @pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
    @pytest.mark.parametrize("channels", [1, 2, 8])
    def test_plain_wav(self, rate: int, channels: int) -> None:
        recording = decode_audio(plain_wav(tone(rate), rate, channels), 60.0)
        assert recording.info.sample_rate == rate
        assert recording.info.channels == channels
        assert recording.info.duration == SECONDS
        assert recording.samples.dtype == np.int16
        assert recording.samples.shape == (SECONDS * SAMPLE_RATE,)
        assert loudness(recording.samples) == pytest.approx(LOUDNESS, rel=0.01)

    @pytest.mark.parametrize(
        ("container", "codec", "rate", "layout"),
        [
            ("wav", "pcm_f32le", 48_000, "mono"),
            ("wav", "pcm_f64le", 44_100, "stereo"),
            ("wav", "pcm_s24le", 44_100, "stereo"),
            ("wav", "pcm_s32le", 96_000, "mono"),
            ("wav", "pcm_u8", 8_000, "mono"),
            ("wav", "pcm_mulaw", 8_000, "mono"),
            ("wav", "pcm_alaw", 8_000, "stereo"),
            ("wav", "pcm_s16le", 48_000, "7.1"),
            ("flac", "flac", 44_100, "stereo"),
            ("mp3", "libmp3lame", 44_100, "stereo"),
            ("mp3", "libmp3lame", 16_000, "mono"),
            ("ogg", "libopus", 48_000, "mono"),
            ("ipod", "aac", 44_100, "stereo"),
            ("adts", "aac", 16_000, "mono"),
            ("matroska", "aac", 48_000, "stereo"),
            ("webm", "libopus", 48_000, "stereo"),
            ("aiff", "pcm_s16be", 44_100, "mono"),
        ],
    )
    def test_length_and_loudness_are_kept(self, container: str, codec: str, rate: int, layout: str) -> None:
        recording = decode_audio(encoded(container, codec, rate, layout), 60.0)
        assert recording.info.sample_rate == rate
        assert recording.info.channels == len(av.AudioLayout(layout).channels)
        # Lossy codecs fill their last frame up: AAC's has 1,024 samples, and one more primes it.
        assert recording.seconds == pytest.approx(SECONDS, abs=2 * 1024 / min(rate, 16_000))
        assert recording.info.duration == round(recording.seconds, 3)
        assert loudness(recording.samples) == pytest.approx(LOUDNESS, rel=0.1)

    @pytest.mark.parametrize("container", ["matroska", "mp4", "avi", "mpegts"])
    def test_video_with_sound(self, container: str) -> None:
        recording = decode_audio(encoded(container, "aac", 44_100, "stereo", video=True), 60.0)
        assert recording.seconds == pytest.approx(SECONDS, abs=0.1)
        assert loudness(recording.samples) == pytest.approx(LOUDNESS, rel=0.1)

    def test_channels_are_mixed_evenly(self) -> None:
        left = np.stack([tone(16_000), np.zeros_like(tone(16_000))], axis=1).reshape(-1)
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(2)
            writer.setsampwidth(2)
            writer.setframerate(16_000)
            writer.writeframes(left.tobytes())
        assert loudness(decode_audio(file.getvalue(), 60.0).samples) == pytest.approx(LOUDNESS / 2, rel=0.01)

    def test_samples_at_16_khz_pass_unchanged(self) -> None:
        samples = np.random.default_rng(0).integers(-32768, 32768, 20_000).astype(np.int16)
        assert np.array_equal(decode_audio(plain_wav(samples, 16_000), 60.0).samples, samples)

    @pytest.mark.parametrize(("first", "second"), [("stereo", "mono"), ("mono", "stereo")])
    def test_format_may_change_on_the_way(self, first: str, second: str) -> None:
        """Joined files are one stream whose sample rate and channels change."""
        joined = encoded("mp3", "libmp3lame", 44_100, first) + encoded("mp3", "libmp3lame", 48_000, second)
        recording = decode_audio(joined, 60.0)
        assert recording.seconds == pytest.approx(2 * SECONDS, abs=0.15)
        assert loudness(recording.samples) == pytest.approx(LOUDNESS, rel=0.1)

    def test_to_float_scales_full_range(self) -> None:
        assert to_float(np.array([-32768, 0, 16384], np.int16)).tolist() == [-1.0, 0.0, 0.5]


class TestStreamedWav:
    """Writers to a pipe cannot know the size of what they write, and put something down instead."""

    @pytest.mark.parametrize(
        "size",
        [
            pytest.param(0, id="0"),
            pytest.param(0xFFFFFFFF, id="ffmpeg"),
            pytest.param(0xFFFFFFFF - 36, id="whole file 0xFFFFFFFF"),
            pytest.param(0x80000000, id="arecord"),
            pytest.param(0x7FFFFFFF - 36, id="whole file 0x7FFFFFFF"),
            pytest.param(0x7FFFF000, id="sox"),
        ],
    )
    def test_is_read_to_its_end(self, size: int) -> None:
        recording = decode_audio(with_data_size(plain_wav(tone(16_000), 16_000), size), 60.0)
        assert np.array_equal(recording.samples, tone(16_000))


class TestRefused:
    def test_empty(self) -> None:
        with pytest.raises(InvalidAudio, match=r"^the upload is empty$"):
            decode_audio(b"", 60.0)

    @pytest.mark.parametrize(
        "upload",
        [
            pytest.param(b"Who said what, and when?\n" * 100, id="text"),
            pytest.param(random.Random(0).randbytes(50_000), id="random"),
            pytest.param(bytes(50_000), id="zeros"),
            pytest.param(b"RIFF", id="four bytes"),
            pytest.param(plain_wav(tone(16_000), 16_000)[:20], id="half a header"),
            pytest.param(b'{"inputs": []}', id="json"),
            pytest.param(b"<html><body>404</body></html>", id="html"),
        ],
    )
    def test_no_media_file(self, upload: bytes) -> None:
        with pytest.raises(InvalidAudio, match=r"not a media file"):
            decode_audio(upload, 60.0)

    def test_no_samples(self) -> None:
        with pytest.raises(InvalidAudio, match=r"no samples"):
            decode_audio(plain_wav(np.zeros(0, np.int16), 16_000), 60.0)

    def test_header_alone(self) -> None:
        with pytest.raises(InvalidAudio, match=r"declares 64000 bytes of samples, and 64000 are missing"):
            decode_audio(plain_wav(tone(16_000), 16_000)[:44], 60.0)

    def test_truncated_wav(self) -> None:
        with pytest.raises(InvalidAudio, match=r"declares 64000 bytes of samples, and 17000 are missing"):
            decode_audio(plain_wav(tone(16_000), 16_000)[:-17_000], 60.0)

    def test_a_moment_may_be_missing(self) -> None:
        """Up to half a second, which recorders that are switched off leave unwritten."""
        assert decode_audio(plain_wav(tone(16_000), 16_000)[:-16_000], 60.0).seconds == 1.5

    @pytest.mark.parametrize(("container", "codec"), [("flac", "flac"), ("aiff", "pcm_s16be")])
    def test_truncated(self, container: str, codec: str) -> None:
        whole = encoded(container, codec, 44_100)
        with pytest.raises(InvalidAudio, match=r"declares 2\.0 s of audio, and [01]\.\d s are there"):
            decode_audio(whole[: len(whole) // 2], 60.0)

    def test_truncated_m4a(self) -> None:
        """The index of the samples stands at the end."""
        whole = encoded("ipod", "aac", 44_100)
        with pytest.raises(InvalidAudio, match=r"not a media file"):
            decode_audio(whole[: len(whole) // 2], 60.0)

    def test_video_without_sound(self) -> None:
        with pytest.raises(InvalidAudio, match=r"^the upload has no audio stream, only video$"):
            decode_audio(encoded("matroska", None, video=True), 60.0)

    @pytest.mark.parametrize(
        "damage",
        [
            # The end of an MP4 file, its index, says what the samples are encoded with.
            pytest.param(lambda: encoded("mp4", "aac", 44_100, "stereo")[:-800], id="mp4"),
            pytest.param(lambda: encoded("matroska", "libopus").replace(b"A_OPUS", b"A_OPUZ"), id="matroska"),
            pytest.param(
                lambda: plain_wav(tone(16_000), 16_000).replace(
                    b"fmt \x10\0\0\0\x01\0", b"fmt \x10\0\0\0\x99\x99"
                ),
                id="wav",
            ),
        ],
    )
    def test_unknown_codec(self, damage: Callable[[], bytes]) -> None:
        assert decode_apart(damage()).startswith("INVALID_AUDIO: ")

    @pytest.mark.parametrize(
        ("at", "value"),
        [
            pytest.param(24, struct.pack("<I", 2**31 - 1), id="2 GHz"),
            pytest.param(22, struct.pack("<H", 65), id="65 channels"),
            pytest.param(22, struct.pack("<H", 1_000), id="1,000 channels"),
        ],
    )
    def test_format_nothing_is_recorded_in(self, at: int, value: bytes) -> None:
        wav = plain_wav(tone(16_000), 16_000)
        with pytest.raises(InvalidAudio):
            decode_audio(wav[:at] + value + wav[at + len(value) :], 60.0)

    def test_damaged_files_are_decoded_or_refused(self) -> None:
        """Whatever the damage, no other error comes out."""
        chance = random.Random(0)
        codecs = {"adts": "aac", "mpegts": "aac", "mp3": "libmp3lame", "flac": "flac"}
        files = [encoded(container, codec, 16_000, seconds=0.3) for container, codec in codecs.items()]
        for _ in range(600):
            damaged = bytearray(chance.choice(files))
            for _ in range(chance.choice([1, 5, 20])):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            with contextlib.suppress(InvalidAudio, PayloadTooLarge):
                decode_audio(bytes(damaged), 60.0)


class TestTooLong:
    def test_says_the_limit(self) -> None:
        with pytest.raises(PayloadTooLarge, match=r"longer than the 1\.5 s this server takes"):
            decode_audio(plain_wav(tone(16_000), 16_000), 1.5)

    def test_exactly_the_limit_is_taken(self) -> None:
        assert decode_audio(plain_wav(tone(16_000), 16_000), SECONDS).seconds == SECONDS

    def test_is_refused_before_it_is_decoded(self) -> None:
        upload = encoded("flac", "flac", 8_000, seconds=600.0)
        decoded_bytes = 600 * SAMPLE_RATE * 2
        tracemalloc.start()
        try:
            with pytest.raises(PayloadTooLarge):
                decode_audio(upload, 1.0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < decoded_bytes / 10


class TestGaps:
    """A pause of the recorder becomes silence: what was said after it is told when it was said."""

    @pytest.mark.parametrize(
        ("container", "codec"), [("mp4", "aac"), ("mpegts", "aac"), ("matroska", "libopus")]
    )
    @pytest.mark.parametrize(("pause_at", "pause"), [(1.0, 3.0), (0.0, 2.0)])
    def test_pause(self, container: str, codec: str, pause_at: float, pause: float) -> None:
        # The clock of the recording starts with the picture.
        upload = encoded(container, codec, 48_000, video=True)
        recording = decode_audio(with_pause(upload, container, pause_at, pause), 60.0)
        assert recording.seconds == pytest.approx(SECONDS + pause, abs=0.15)
        loud = np.abs(recording.samples.astype(int)) > 1_000
        silent = slice(round((pause_at + 0.2) * 16_000), round((pause_at + pause - 0.2) * 16_000))
        assert not loud[silent].any()
        assert loud[round((pause_at + pause + 0.2) * 16_000) :].mean() > 0.5
        assert loud[: round((pause_at - 0.2) * 16_000)].mean() > 0.5 or pause_at == 0.0
