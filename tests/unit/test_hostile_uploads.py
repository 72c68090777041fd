"""Uploads that are made to do harm: to have other files opened, or to take more than a recording does."""

import ctypes
import io
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from tests.unit.uploads import LOUDNESS, SECONDS, encoded, loudness, plain_wav, tone, with_pause

from triologue.schema import InvalidAudio, PayloadTooLarge
from triologue_server.audio import decode_audio

_IN_OPEN = 0x20


class Secret:
    """A recording that is nobody's business, which notices when it is opened."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "private.wav"
        self.path.write_bytes(plain_wav(tone(16_000), 16_000))
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._events = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._events >= 0
        assert self._libc.inotify_add_watch(self._events, bytes(self.path), _IN_OPEN) >= 0

    def was_opened(self) -> bool:
        try:
            return bool(os.read(self._events, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._events)


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secret]:
    """It lies in the current folder."""
    monkeypatch.chdir(tmp_path)
    secret = Secret(tmp_path)
    yield secret
    secret.close()


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile {target}\n",
    "m3u": "#EXTM3U\n{target}\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3.0,\n{target}\n#EXT-X-ENDLIST\n",
    "hls master": '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="mp4a.40.2"\n{target}\n',
    "hls key": (
        '#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n'
        "#EXTINF:3.0,\n{target}\n#EXT-X-ENDLIST\n"
    ),
    "pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "dash": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="audio/mp4">'
        '<Representation id="1" bandwidth="1000"><BaseURL>{target}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ),
    "rtsp": "RTSPtextRTSPURL={target}\n",
}


class TestNothingElseIsOpened:
    """FFmpeg follows what playlists, SDP files and films name; an upload must not make it."""

    def test_the_playlist_would_be_followed(self, secret: Secret) -> None:
        """What the other tests prove is worth something: FFmpeg itself does follow this one."""
        with av.open(io.BytesIO(b"ffconcat version 1.0\nfile private.wav\n")) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) == SECONDS * 16_000
        assert secret.was_opened()

    @pytest.mark.parametrize("playlist", PLAYLISTS)
    @pytest.mark.parametrize("kind", ["relative", "absolute", "file:", "subfile:", "http:", "tcp:"])
    def test_playlist(self, secret: Secret, playlist: str, kind: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0.0)
            address = f"//127.0.0.1:{listener.getsockname()[1]}"
            target = {
                "relative": secret.path.name,
                "absolute": str(secret.path),
                "file:": f"file:{secret.path}",
                "subfile:": f"subfile,,start,0,end,0,,:{secret.path}",
                "http:": f"http:{address}/{secret.path.name}",
                "tcp:": f"tcp:{address}",
            }[kind]
            with pytest.raises(InvalidAudio):
                decode_audio(PLAYLISTS[playlist].format(target=target).encode(), 60.0)
            # The kernel would have taken a connection, whether or not anybody accepts it.
            with pytest.raises(BlockingIOError):
                listener.accept()
        assert not secret.was_opened()

    def test_sdp(self) -> None:
        """SDP has FFmpeg listen for audio on a port of the server."""
        description = (
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 45678 RTP/AVP 0\n"
        )
        with pytest.raises(InvalidAudio):
            decode_audio(description.encode(), 60.0)

    def test_samples_of_a_film_that_lie_in_another_file(self, secret: Secret) -> None:
        film = with_samples_elsewhere(encoded("mov", "pcm_s16le", 16_000), secret.path)
        allowed = {"enable_drefs": "1", "use_absolute_path": "1"}
        with av.open(io.BytesIO(film), options=allowed):
            assert secret.was_opened()
        with pytest.raises(InvalidAudio, match="holds no samples"):
            decode_audio(film, 60.0)
        assert not secret.was_opened()

    @pytest.mark.parametrize("container", ["gif", "apng", "mjpeg", "ffmetadata", "srt", "webvtt"])
    def test_container_that_nobody_keeps_recordings_in(self, container: str) -> None:
        upload = {
            "ffmetadata": b";FFMETADATA1\ntitle=x\n",
            "srt": b"1\n00:00:00,000 --> 00:00:01,000\nHello.\n\n",
            "webvtt": b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello.\n\n",
        }.get(container) or picture(container)
        with av.open(io.BytesIO(upload)) as opened:
            assert container in opened.format.name
        with pytest.raises(InvalidAudio, match="not in a container that is taken"):
            decode_audio(upload, 60.0)


def picture(container: str) -> bytes:
    codec, pixels = {"gif": ("gif", "rgb8"), "apng": ("apng", "rgb24"), "mjpeg": ("mjpeg", "yuvj420p")}[
        container
    ]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=5, width=64, height=48, pix_fmt=pixels)
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def with_samples_elsewhere(film: bytes, path: Path) -> bytes:
    """Have a QuickTime film name another file for its samples, as films of tape recorders' days do."""
    name = bytes(path)
    name += bytes(len(name) % 2)
    alias = bytes(10 + 28 + 12 + 64 + 16 + 4 + 16) + struct.pack(">HH", 2, len(name)) + name
    entry = struct.pack(">I4sI", 12 + len(alias) + 4, b"alis", 0) + alias + b"\xff\xff\0\0"
    replaced = struct.pack(">II", 0, 1) + entry
    at = film.index(b"dref") - 4
    (size,) = struct.unpack_from(">I", film, at)
    grown = len(replaced) + 8 - size
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = film.index(parent) - 4
        (length,) = struct.unpack_from(">I", film, start)
        film = film[:start] + struct.pack(">I", length + grown) + film[start + 4 :]
    return film[: at + 8] + replaced + film[at + size :]


class TestMoreThanARecording:
    """What is small to send and large to decode is refused in time."""

    @pytest.mark.parametrize("container", ["matroska", "mp4"])
    def test_hours_between_two_timestamps(self, container: str) -> None:
        codec = {"matroska": "libopus", "mp4": "aac"}[container]
        upload = with_pause(encoded(container, codec, 48_000, video=True), container, 1.0, 36_000.0)
        assert len(upload) < 50_000
        with pytest.raises(PayloadTooLarge, match="longer than the 3600 s this server takes"):
            decode_audio(upload, 3_600.0)

    def test_silence(self) -> None:
        upload = encoded("flac", "flac", 8_000, seconds=2_000.0, amplitude=0.0)
        assert len(upload) < 2_000 * 8_000 * 2 / 50
        with pytest.raises(PayloadTooLarge, match="longer than the 1000 s this server takes"):
            decode_audio(upload, 1_000.0)

    @pytest.mark.parametrize("container", ["matroska", "mov", "mpegts"])
    @pytest.mark.parametrize("number", [65, 999])
    def test_streams(self, container: str, number: int) -> None:
        with pytest.raises(InvalidAudio, match="more than 64 streams"):
            decode_audio(streams(container, number), 60.0)

    @pytest.mark.parametrize("container", ["matroska", "mov", "mpegts"])
    def test_as_many_streams_as_there_may_be(self, container: str) -> None:
        assert decode_audio(streams(container, 64), 60.0).seconds == pytest.approx(0.1, abs=0.1)

    @pytest.mark.parametrize("channels", [9, 32, 64])
    def test_as_many_channels_as_there_may_be(self, channels: int) -> None:
        recording = decode_audio(plain_wav(tone(16_000), 16_000, channels), 60.0)
        assert recording.info.channels == channels
        assert loudness(recording.samples) == pytest.approx(LOUDNESS, rel=0.01)

    @pytest.mark.parametrize("channels", [65, 1_000])
    def test_channels(self, channels: int) -> None:
        with pytest.raises(InvalidAudio):
            decode_audio(plain_wav(tone(16_000), 16_000, channels), 60.0)

    @pytest.mark.parametrize("rate", [1, 999, 768_001, 2**31 - 1])
    def test_sample_rate(self, rate: int) -> None:
        with pytest.raises(InvalidAudio):
            decode_audio(plain_wav(tone(16_000), rate), 1e9)

    @pytest.mark.parametrize(
        "stuffed",
        [
            pytest.param(lambda wav: wav[:12] + b"junk\0\0\0\0" * 1_000_000 + wav[12:], id="chunks"),
            pytest.param(lambda wav: wav + bytes(5_000_000), id="zeros behind it"),
            pytest.param(lambda wav: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + wav, id="tag without an end"),
        ],
    )
    def test_stuffing(self, stuffed: Callable[[bytes], bytes]) -> None:
        """It is read past, or refused."""
        try:
            recording = decode_audio(stuffed(plain_wav(tone(16_000), 16_000)), 60.0)
        except InvalidAudio:
            return
        assert recording.seconds == SECONDS


def streams(container: str, number: int) -> bytes:
    """Return a file with so many streams of a tenth of a second."""
    codec = {"matroska": "pcm_s16le", "mov": "pcm_s16be", "mpegts": "mp2"}[container]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        sounds = [output.add_stream(codec, rate=16_000, layout="mono") for _ in range(number)]
        for sound in sounds:
            samples = av.AudioFrame.from_ndarray(tone(16_000, 0.1)[None], format="s16", layout="mono")
            samples.sample_rate = 16_000
            output.mux(sound.encode(samples))
        for sound in sounds:
            output.mux(sound.encode(None))
    return file.getvalue()
