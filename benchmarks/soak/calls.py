"""Requests as they were planned, and what becomes of them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from benchmarks.soak.leaving import break_off_upload, hang_up
from benchmarks.soak.plain import ANSWERS, Answer, ask_grpc, ask_http
from benchmarks.soak.plan import ANSWERED, LEFT, Ending, Planned
from triologue import AsyncClient, DiarizationResult, KnownSpeaker, ResultEvent, TriologueError
from triologue.protocol.request import any_of
from triologue.schema.parameters import Scalar

LONGEST_S = 900.0
"""After which a request is given up that should have ended by itself."""

_APART_S = 0.1  # by which a container may tell another length than what was put into it
_AT_ONCE_S = 0.005  # of gRPC, whose upload is one message: it is let go when it has hardly begun


@dataclass(frozen=True)
class Ended:
    """What became of a request."""

    planned: Planned
    """The request."""
    ended_with: str
    """`ANSWERED`, `LEFT`, the code of an error, or what is wrong with the answer."""
    seconds: float
    """From the call to its end."""
    message: str = ""
    """The words of the error."""

    @property
    def is_as_planned(self) -> bool:
        """Whether it ended as it had to."""
        return self.ended_with == self.planned.ends_with

    def __str__(self) -> str:
        planned = self.planned
        return (
            f"request {planned.number}, {planned.ending.value}, {planned.way.value}, {planned.pipeline}, "
            f"{planned.clip.label}, {dict(planned.options)}: {self.ended_with} after {self.seconds:.1f} s, "
            f"{self.message or 'no error'}"
        )


class Caller:
    """Makes requests, each by connections of its own, as different callers have.

    Args:
        urls: Of the server, by `http` and `grpc`.
        voices: A known speaker by how it is given, `vector` and `clip`.
    """

    def __init__(self, urls: Mapping[str, str], voices: Mapping[str, KnownSpeaker]) -> None:
        self._urls, self._voices = urls, voices

    async def make_all(self, requests: Sequence[Planned], at_once: int) -> list[Ended]:
        """Make requests, so many of them at once, and return what became of each."""
        left = iter(requests)
        ended: list[Ended] = []

        async def go_on() -> None:
            for request in left:
                ended.append(await self.make(request))

        await asyncio.gather(*(go_on() for _ in range(at_once)))
        return ended

    async def make(self, planned: Planned) -> Ended:
        """Make a request, and return what became of it."""
        began = time.perf_counter()
        ended_with, message = await self._end_of(planned)
        return Ended(planned, ended_with, time.perf_counter() - began, message)

    async def _end_of(self, planned: Planned) -> tuple[str, str]:
        try:
            match planned.ending:
                case Ending.CLOSED:
                    await self._close(planned)
                case Ending.DROPPED if not planned.way.is_grpc:
                    await break_off_upload(self._urls["http"], planned, self._parameters(planned))
                case Ending.DROPPED:
                    await hang_up(self._ask(planned, LONGEST_S), _AT_ONCE_S)
                case Ending.HUNG_UP:
                    await hang_up(self._ask(planned, LONGEST_S), planned.patience_s)
                case Ending.DEADLINE:
                    return wrong_with(planned, await self._ask(planned, planned.patience_s)) or ANSWERED, ""
                case _:
                    return wrong_with(planned, await self._ask(planned, LONGEST_S)) or ANSWERED, ""
        except TriologueError as error:
            return error.code.value, error.message
        return LEFT, ""

    async def _close(self, planned: Planned) -> None:
        """Read some events of a stream, and close it."""
        async with self._client(planned) as client, aclosing(self._events(client, planned)) as events:
            for _ in range(planned.events):
                await anext(events, None)

    async def _ask(self, planned: Planned, timeout_s: float) -> Answer:
        if planned.way.is_plain:
            ask, protocol = (ask_grpc, "grpc") if planned.way.is_grpc else (ask_http, "http")
            audio = planned.clip.audio
            assert isinstance(audio, bytes)  # noqa: S101
            return await ask(
                self._urls[protocol], planned.pipeline, audio, self._parameters(planned), timeout_s
            )
        async with self._client(planned, timeout_s) as client:
            if planned.streams:
                async for event in self._events(client, planned):
                    last = event
                assert isinstance(last, ResultEvent)  # noqa: S101
                return last.result
            audio, options = planned.clip.audio, self._options(planned)
            match planned.pipeline:
                case "transcription":
                    return await client.transcribe(audio, **options)
                case "diarization":
                    return await client.diarize(audio, **options)
                case "diarized_asr":
                    return await client.transcribe_diarized(audio, **options)

    def _client(self, planned: Planned, timeout_s: float = LONGEST_S) -> AsyncClient:
        url = self._urls["grpc" if planned.way.is_grpc else "http"]
        return AsyncClient(url, timeout_s=timeout_s, retries=0)

    def _events(self, client: AsyncClient, planned: Planned) -> Any:
        return client.stream(planned.clip.audio, pipeline=planned.pipeline, **self._options(planned))

    def _options(self, planned: Planned) -> dict[str, Any]:
        known = {"known_speakers": (self._voices[planned.voice],)} if planned.voice else {}
        return {**planned.options, **known}

    def _parameters(self, planned: Planned) -> Mapping[str, Scalar]:
        if planned.ending is Ending.OPTION:  # as they are: nobody is to refuse them here
            return planned.options
        return any_of(planned.pipeline, None, self._options(planned), "result").options


def wrong_with(planned: Planned, answer: Answer) -> str:
    """Say what is wrong with an answer; nothing where it is one to this request."""
    if type(answer) is not ANSWERS[planned.pipeline]:
        return f"an answer of {answer.type}"
    if abs(answer.audio.duration - planned.clip.seconds) > _APART_S:
        return "an answer to another recording"
    found = answer.turns if isinstance(answer, DiarizationResult) else answer.segments
    if planned.ending is Ending.SILENCE and found:
        return "an answer that hears something in silence"
    return ""
