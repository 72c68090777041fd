"""The client for threads. `triologue.async_client` has the same methods for coroutines."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from triologue.audio import Audio
from triologue.driver import Driver
from triologue.many import Outcome, check_concurrency, in_threads
from triologue.protocol import calls
from triologue.protocol.calls import Policy
from triologue.protocol.request import (
    AnyAnswer,
    AnyResult,
    Pipeline,
    Request,
    any_of,
    diarization,
    diarized_transcription,
    transcription,
    translation,
)
from triologue.protocol.server import ServerInfo
from triologue.schema import (
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    Event,
    KnownSpeaker,
    PyannoteSpeakerDiarizationParams,
    TranscriptionResult,
    WhisperParams,
)
from triologue.transport import connect
from triologue.transport.address import Address, Tls, with_key

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from triologue.keywords import (
        DiarizationKeywords,
        DiarizedAsrKeywords,
        TranslationKeywords,
        WhisperKeywords,
    )

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_S = 3600.0
DEFAULT_RETRIES = 4


class Client:
    """A Triologue server, over HTTP or gRPC.

        with Client("grpc://127.0.0.1:8001") as client:
            result = client.transcribe_diarized("meeting.m4a", language="en", max_speakers=4)
            print(result.text)

    A recording is a path, the bytes of an encoded file, a file opened in binary mode, an `http(s)` URL, which
    the client fetches, or samples with their rate, `(array, 16_000)`. Any container and codec that FFmpeg
    reads will do. Options are an options model, keyword arguments, or both: keywords win.

    Threads may share a client, and do share its connections. A process that forks makes a new one.

    A call that is left, by an exception such as `KeyboardInterrupt` or by closing an iterator, ends at the
    server too. A call is made again, with pauses, while the server cannot be reached or its queues are full,
    up to `retries` times and not past its deadline.

    Every call that needs the server raises, besides what its docstring names:

    - `InvalidAudio`, `NotFound`, `AccessDenied`, `PayloadTooLarge`, `InternalError`: sending it again will
      not help;
    - `ServerUnavailable`, `ServerOverloaded`: sending it again later may;
    - `DeadlineExceeded`: there was no answer in time;
    - `Cancelled`: the client was closed meanwhile.

    Args:
        url: `http://`, `https://`, `grpc://` or `grpcs://`, a host, and a port, which is 80, 443, 8001 or 443
            when not given. An HTTP URL may have a path, under which the server lies.
        timeout_s: Seconds from a call to its answer, unless the call says otherwise.
        retries: How often a call is made again.
        headers: HTTP headers, or gRPC metadata, of every request.
        api_key: Sent as the header `Authorization: Bearer ...`.
        tls: Certificates for `https://` and `grpcs://`, where the usual ones do not do.

    Raises:
        ValueError: The URL is none of these, or a number is out of range.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: int = DEFAULT_RETRIES,
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.url = url
        """The server, as it was given."""
        self._policy = Policy(url, timeout_s, retries)
        self._transport = connect(Address(url, with_key(headers or {}, api_key), tls or Tls()))
        self._driver = Driver(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the calls of other threads and close the connections; the client is of no use afterwards."""
        self._driver.abort()
        self._transport.close()

    def transcribe(
        self,
        audio: Audio,
        options: WhisperParams | None = None,
        *,
        timeout_s: float | None = None,
        on_event: Callable[[Event], object] | None = None,
        **fields: Unpack[WhisperKeywords],
    ) -> TranscriptionResult:
        """Write down what is said in a recording.

        Args:
            audio: The recording.
            options: How, as a model.
            timeout_s: Seconds until the answer is given up.
            on_event: Called with each event while the work goes on. When the call has to be made again,
                events come anew.
            fields: How, as keywords.

        Raises:
            InvalidOption: A field does not exist or is out of range; the message names it.
            OSError: The path cannot be read, for example `FileNotFoundError`.
            TypeError: The recording is none.
        """
        request = transcription(options, fields, "all" if on_event else "result")
        return self._answer(request, audio, timeout_s, on_event)

    def translate(
        self,
        audio: Audio,
        options: WhisperParams | None = None,
        *,
        timeout_s: float | None = None,
        on_event: Callable[[Event], object] | None = None,
        **fields: Unpack[TranslationKeywords],
    ) -> TranscriptionResult:
        """Write down in English what is said in a recording. Takes and raises what `transcribe` does."""
        request = translation(options, fields, "all" if on_event else "result")
        return self._answer(request, audio, timeout_s, on_event)

    def diarize(
        self,
        audio: Audio,
        options: PyannoteSpeakerDiarizationParams | None = None,
        *,
        timeout_s: float | None = None,
        on_event: Callable[[Event], object] | None = None,
        **fields: Unpack[DiarizationKeywords],
    ) -> DiarizationResult:
        """Find who speaks when in a recording. Takes and raises what `transcribe` does."""
        request = diarization(options, fields, "all" if on_event else "result")
        return self._answer(request, audio, timeout_s, on_event)

    def transcribe_diarized(
        self,
        audio: Audio,
        options: DiarizedAsrOptions | None = None,
        *,
        timeout_s: float | None = None,
        on_event: Callable[[Event], object] | None = None,
        **fields: Unpack[DiarizedAsrKeywords],
    ) -> DiarizedTranscriptionResult:
        """Write down who says what, and when, in a recording. Takes and raises what `transcribe` does."""
        request = diarized_transcription(options, fields, "all" if on_event else "result")
        return self._answer(request, audio, timeout_s, on_event)

    def stream(
        self,
        audio: Audio,
        options: WhisperParams | PyannoteSpeakerDiarizationParams | None = None,
        *,
        pipeline: Pipeline = "diarized_asr",
        timeout_s: float | None = None,
        **fields: Unpack[DiarizedAsrKeywords],
    ) -> Generator[Event, None, None]:
        """Yield what happens while a recording is worked on: `InfoEvent`, `ProgressEvent`, `SegmentEvent`.

        The last one is a `ResultEvent`. Closing the iterator ends the work. Once an event has come, the call
        is not made again, since events would come twice.

        Args:
            audio: The recording.
            options: How, as a model.
            pipeline: What is wanted: a diarized transcription, or one of its halves.
            timeout_s: Seconds until the answer is given up.
            fields: How, as keywords.

        Raises:
            InvalidOption: A field does not exist for the pipeline or is out of range; the message names it.
            OSError: The path cannot be read, for example `FileNotFoundError`.
            TypeError: The recording is none.
        """
        request = any_of(pipeline, options, fields, "all")
        return self._driver.events(calls.answered(request, audio, self._policy, timeout_s, again=False))

    def transcribe_many(
        self,
        recordings: Iterable[Audio],
        options: WhisperParams | PyannoteSpeakerDiarizationParams | None = None,
        *,
        pipeline: Pipeline = "diarized_asr",
        concurrency: int = 8,
        ordered: bool = True,
        timeout_s: float | None = None,
        **fields: Unpack[DiarizedAsrKeywords],
    ) -> Generator[Outcome[AnyAnswer], None, None]:
        """Work on many recordings, several at once, and yield an `Outcome` for each.

        An error of one does not stop the others. Recordings are taken from the iterable as there is room for
        them. Closing the iterator ends the calls under way.

        Args:
            recordings: Any number of them.
            options: How, as a model.
            pipeline: What is wanted: diarized transcriptions, or one of their halves.
            concurrency: Calls under way at once, at least 1.
            ordered: In the order of the recordings, or as answers come.
            timeout_s: Seconds until an answer is given up, for each recording.
            fields: How, as keywords.

        Raises:
            InvalidOption: A field does not exist for the pipeline or is out of range; the message names it.
            ValueError: `concurrency` is below 1.
        """
        check_concurrency(concurrency)
        request = any_of(pipeline, options, fields, "result")
        driver = Driver(self._transport)

        def ask(audio: Audio) -> AnyAnswer:
            return driver.run(calls.answered(request, audio, self._policy, timeout_s, again=True))

        return in_threads(ask, recordings, concurrency, ordered=ordered, abort=driver.abort)

    def enroll(self, audio: Audio, name: str, *, timeout_s: float | None = None) -> KnownSpeaker:
        """Learn the voice of a person from a recording in which nobody else speaks.

        What comes back goes into `known_speakers` of later calls; the server keeps nothing.

        Raises:
            InvalidAudio: Nobody speaks in the recording, or it cannot be decoded.
            InvalidOption: The name is refused.
            OSError: The path cannot be read, for example `FileNotFoundError`.
        """
        return self._driver.run(calls.enrolled(audio, name, self._policy, timeout_s))

    def is_ready(self) -> bool:
        """Say whether the server takes requests; `False` also when it cannot be reached."""
        return self._driver.run(calls.is_ready(self._policy))

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Return as soon as the server takes requests.

        Raises:
            ServerUnavailable: It does not within `timeout_s` seconds; the message says why.
        """
        self._driver.run(calls.until_ready(self._policy, timeout_s))

    def server_info(self) -> ServerInfo:
        """Ask the server about itself.

        Raises:
            ServerUnavailable: It cannot be reached.
        """
        return self._driver.run(calls.server_info(self._policy))

    def _answer(
        self,
        request: Request[AnyResult],
        audio: Audio,
        timeout_s: float | None,
        on_event: Callable[[Event], object] | None,
    ) -> AnyResult:
        steps = calls.answered(request, audio, self._policy, timeout_s, again=True)
        return self._driver.run(steps, on_event)
