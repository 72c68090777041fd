"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from triologue import protocol
from triologue.audio import Audio, name_of, read_audio
from triologue.protocol import PUBLIC_MODELS, ServerHealth
from triologue.schema import (
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    KnownSpeaker,
    PyannoteSpeakerDiarizationParams,
    ServerUnavailable,
    TranscriptionResult,
    TriologueError,
    WhisperParams,
)
from triologue.transport import connect

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from triologue.keywords import DiarizationKeywords, DiarizedAsrKeywords, WhisperKeywords

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_S = 3600.0
PROBE_TIMEOUT_S = 5.0
PROBE_INTERVAL_S = 0.5


class Client:
    """A Triologue server, over HTTP or gRPC.

        with Client("http://127.0.0.1:8000") as client:
            result = client.transcribe_diarized("meeting.m4a", language="en", max_speakers=4)
            print(result.text)

    A recording is a path, the bytes of an encoded file, or a file opened in binary mode; any container and
    codec that FFmpeg reads will do. Options are an options model, keyword arguments, or both: keywords win.

    Threads may share a client. tritonclient's HTTP client is bound to one thread, which is why over HTTP each
    request makes one, and a connection, of its own.

    Every call that needs the server raises, besides what its docstring names:

    - `InvalidAudio`, `NotFound`, `PayloadTooLarge`, `InternalError`: sending it again will not help;
    - `ServerUnavailable`, `ServerOverloaded`: sending it again later may;
    - `DeadlineExceeded`: no answer within the timeout.

    Args:
        url: `http://`, `https://`, `grpc://` or `grpcs://`, a host, and a port, which is 80, 443, 8001 or 443
            when not given. An HTTP URL may have a path, under which the server lies.
        timeout_s: Seconds to wait for an answer. Over gRPC they count from the call, over HTTP from the last
            sign of life.
        headers: HTTP headers, or gRPC metadata, of every request.

    Raises:
        ValueError: The URL is none of these, or the timeout is not above 0.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = url
        self._probe_timeout_s = min(timeout_s, PROBE_TIMEOUT_S)
        self._transport = connect(url, timeout_s, headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open; the client is of no use afterwards."""
        self._transport.close()

    def transcribe(
        self, audio: Audio, options: WhisperParams | None = None, **fields: Unpack[WhisperKeywords]
    ) -> TranscriptionResult:
        """Write down what is said in a recording.

        Raises:
            InvalidOption: A field does not exist or is out of range; the message names it.
            OSError: The path cannot be read, for example `FileNotFoundError`.
        """
        request = protocol.transcription(read_audio(audio), options, fields)
        return self._transport.infer(request)

    def diarize(
        self,
        audio: Audio,
        options: PyannoteSpeakerDiarizationParams | None = None,
        **fields: Unpack[DiarizationKeywords],
    ) -> DiarizationResult:
        """Find who speaks when in a recording. Raises what `transcribe` raises."""
        request = protocol.diarization(read_audio(audio), options, fields)
        return self._transport.infer(request)

    def transcribe_diarized(
        self, audio: Audio, options: DiarizedAsrOptions | None = None, **fields: Unpack[DiarizedAsrKeywords]
    ) -> DiarizedTranscriptionResult:
        """Write down who says what, and when, in a recording. Raises what `transcribe` raises."""
        request = protocol.diarized_transcription(read_audio(audio), options, fields)
        return self._transport.infer(request)

    def enroll(self, audio: Audio, name: str) -> KnownSpeaker:
        """Learn the voice of a person from a recording in which nobody else speaks.

        What comes back goes into `known_speakers` of later calls; the server keeps nothing.

        Raises:
            InvalidAudio: Nobody speaks in the recording, or it cannot be decoded.
            InvalidOption: The name is refused.
            OSError: The path cannot be read, for example `FileNotFoundError`.
        """
        request = protocol.enrolment(read_audio(audio), name)
        return protocol.enrolled(self._transport.infer(request), name, name_of(audio))

    def is_ready(self) -> bool:
        """Say whether the server takes requests; `False` also when it cannot be reached."""
        try:
            return self._transport.is_ready(self._probe_timeout_s)
        except TriologueError:
            return False

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Return as soon as the server takes requests.

        Raises:
            ServerUnavailable: It does not within `timeout_s` seconds; the message says why.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            try:
                if self._transport.is_ready(max(0.1, min(left, self._probe_timeout_s))):
                    return
                why = "its models are not loaded"
            except TriologueError as error:
                why = error.message
            left = deadline - time.monotonic()
            if left <= 0:
                raise ServerUnavailable(f"{self.url} was not ready within {timeout_s:g} s: {why}")
            time.sleep(min(left, PROBE_INTERVAL_S))

    def health(self) -> ServerHealth:
        """Ask the server about itself.

        Raises:
            ServerUnavailable: It cannot be reached.
        """
        transport, timeout_s = self._transport, self._probe_timeout_s
        return ServerHealth(
            live=transport.is_live(timeout_s),
            ready=transport.is_ready(timeout_s),
            models={model: transport.is_model_ready(model, timeout_s) for model in PUBLIC_MODELS},
            version=transport.server_version(timeout_s),
        )
