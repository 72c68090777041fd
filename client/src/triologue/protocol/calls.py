"""The calls of the clients, as generators of steps."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import cast
from uuid import uuid4

from triologue.audio import Audio, name_of
from triologue.protocol.deadline import Deadline
from triologue.protocol.request import PUBLIC_MODELS, STREAM_MODEL, AnyResult, Request, diarization
from triologue.protocol.retrying import attempts
from triologue.protocol.server import ServerInfo
from triologue.protocol.steps import Ask, Emit, Load, Open, Receive, Sleep, Steps
from triologue.schema import (
    InternalError,
    InvalidAudio,
    KnownSpeaker,
    ResultEvent,
    ServerUnavailable,
    TriologueError,
    parse_parameters,
)
from triologue.tracing import ID_HEADER, traced

PROBE_TIMEOUT_S, PROBE_INTERVAL_S = 5.0, 0.5


@dataclass(frozen=True)
class Policy:
    """What holds for every call of a client."""

    url: str
    """The server, for messages."""
    timeout_s: float
    """Seconds until an answer is given up, unless the call says otherwise."""
    retries: int
    """How often a call is made again where that is safe."""

    def __post_init__(self) -> None:
        if not self.timeout_s > 0:
            raise ValueError(f"timeout_s must be above 0, not {self.timeout_s}")
        if self.retries < 0:
            raise ValueError(f"retries must be at least 0, not {self.retries}")

    def deadline(self, timeout_s: float | None) -> Deadline:
        """Return the deadline of a call that begins now."""
        return Deadline(self.timeout_s if timeout_s is None else timeout_s, self.url)

    @property
    def probe_timeout_s(self) -> float:
        """Seconds until an answer of a server about itself is given up."""
        return min(self.timeout_s, PROBE_TIMEOUT_S)


def answered(
    request: Request[AnyResult], audio: Audio, policy: Policy, timeout_s: float | None, *, again: bool
) -> Steps[AnyResult]:
    """Emit the events of a request, and return its answer.

    With `again` the call may be made again after events have come, and they come anew.
    """
    deadline = policy.deadline(timeout_s)
    with _called(request) as named:
        recording = yield Load(audio, deadline)
        pauses: list[float] = []
        first: str | bytes | None = None
        for attempt in attempts(policy.retries, deadline, pauses):
            while pauses:
                yield Sleep(pauses.pop())
            with attempt:
                yield Open(named, recording, deadline)
                first = yield Receive()
                if again:
                    return (yield from _events(first, named, policy))
        return (yield from _events(first, named, policy))


@contextmanager
def _called(request: Request[AnyResult]) -> Iterator[Request[AnyResult]]:
    """Trace a call, and name it: the server's log and traces, and errors, have its id."""
    request_id = uuid4().hex
    try:
        with traced(request.pipeline, request_id) as trace:
            yield replace(request, headers={ID_HEADER: request_id, **trace})
    except TriologueError as error:
        error.request_id = request_id
        raise


def _events(text: str | bytes | None, request: Request[AnyResult], policy: Policy) -> Steps[AnyResult]:
    while text is not None:
        event = request.read(text)
        yield Emit(event)
        if isinstance(event, ResultEvent):
            # A connection is used again only when its answer was read to the end.
            with suppress(TriologueError):
                yield Receive()
            return cast(AnyResult, event.result)  # `read` has looked at its type.
        text = yield Receive()
    raise InternalError(f"{policy.url} ended the stream without a result")


def enrolled(audio: Audio, name: str, policy: Policy, timeout_s: float | None) -> Steps[KnownSpeaker]:
    """Return the voice of the only person who speaks in a recording.

    Raises:
        InvalidAudio: Nobody speaks in it; the message names it.
        InvalidOption: The name is refused.
    """
    _known_speaker(name, (1.0,))  # A name that will be refused is not worth the server's work.
    request = diarization(None, {"num_speakers": 1, "speaker_embeddings": True}, "result")
    result = yield from answered(request, audio, policy, timeout_s, again=True)
    embedding = next(iter(result.speaker_embeddings.values()), None)
    if embedding is None:
        raise InvalidAudio(f"{name_of(audio)}: nobody speaks in it for long enough to know their voice")
    return _known_speaker(name, embedding)


def is_ready(policy: Policy) -> Steps[bool]:
    """Return whether the server takes requests; `False` also when it cannot be reached."""
    try:
        return bool((yield Ask("is_ready", policy.probe_timeout_s)))
    except TriologueError:
        return False


def until_ready(policy: Policy, timeout_s: float) -> Steps[None]:
    """Return as soon as the server takes requests.

    Raises:
        ServerUnavailable: It does not within `timeout_s` seconds; the message says why.
    """
    deadline = policy.deadline(timeout_s)
    while True:
        try:
            if (yield Ask("is_ready", max(0.1, min(deadline.left, policy.probe_timeout_s)))):
                return
            why = "its models are not loaded"
        except TriologueError as error:
            why = error.message
        if deadline.has_passed:
            raise ServerUnavailable(f"{policy.url} was not ready within {timeout_s:g} s: {why}")
        yield Sleep(max(0.0, min(deadline.left, PROBE_INTERVAL_S)))


def server_info(policy: Policy) -> Steps[ServerInfo]:
    """Return what the server says about itself.

    Raises:
        ServerUnavailable: It cannot be reached.
    """
    timeout_s = policy.probe_timeout_s
    models = {}
    for model in PUBLIC_MODELS:
        models[model] = yield Ask("is_model_ready", timeout_s, model)
    streams = yield Ask("is_model_ready", timeout_s, STREAM_MODEL)
    return ServerInfo(
        url=policy.url,
        live=(yield Ask("is_live", timeout_s)),
        ready=(yield Ask("is_ready", timeout_s)),
        models=models,
        version=(yield Ask("version", timeout_s)),
        settings=(yield Ask("settings", timeout_s, STREAM_MODEL)) if streams else {},
    )


def _known_speaker(name: str, embedding: tuple[float, ...]) -> KnownSpeaker:
    return parse_parameters(KnownSpeaker, {"name": name, "embedding": embedding})
