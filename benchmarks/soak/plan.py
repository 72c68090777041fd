"""What is asked of the server, request by request: the same again for the same seed."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal

from benchmarks.locust.clips import Clip
from benchmarks.locust.mix import pick
from benchmarks.soak.uploads import Uploads
from triologue.protocol.request import Pipeline
from triologue.schema import ErrorCode


class Way(str, Enum):
    """How a server is asked."""

    HTTP = "client, http"
    GRPC = "client, grpc"
    PLAIN_HTTP = "plain Triton, http"
    PLAIN_GRPC = "plain Triton, grpc"

    @property
    def is_plain(self) -> bool:
        """Whether a unary model is asked, without the client."""
        return self in (Way.PLAIN_HTTP, Way.PLAIN_GRPC)

    @property
    def is_grpc(self) -> bool:
        """Whether it is by gRPC."""
        return self in (Way.GRPC, Way.PLAIN_GRPC)


class Ending(str, Enum):
    """How a request is to end."""

    ANSWER = "answer"
    SILENCE = "answer to silence"
    CLOSED = "caller closes the stream"
    DROPPED = "caller breaks off the upload"
    HUNG_UP = "caller hangs up"
    DEADLINE = "deadline passes"
    BROKEN = "broken file"
    OPTION = "bad option"
    TOO_LARGE = "too many bytes"
    TOO_LONG = "too many seconds"


ANSWERED, LEFT = "answered", "left"
"""How requests end that end without an error."""

ENDS_WITH: Mapping[Ending, str] = {
    Ending.ANSWER: ANSWERED,
    Ending.SILENCE: ANSWERED,
    Ending.CLOSED: LEFT,
    Ending.DROPPED: LEFT,
    Ending.HUNG_UP: LEFT,
    Ending.DEADLINE: ErrorCode.DEADLINE_EXCEEDED.value,
    Ending.BROKEN: ErrorCode.INVALID_AUDIO.value,
    Ending.OPTION: ErrorCode.INVALID_OPTION.value,
    Ending.TOO_LARGE: ErrorCode.PAYLOAD_TOO_LARGE.value,
    Ending.TOO_LONG: ErrorCode.PAYLOAD_TOO_LARGE.value,
}
"""What each ending is to be: `ANSWERED`, `LEFT`, or the code of an error."""

SHARES: Mapping[Ending, float] = {
    Ending.SILENCE: 0.04,
    Ending.CLOSED: 0.04,
    Ending.DROPPED: 0.02,
    Ending.HUNG_UP: 0.02,
    Ending.DEADLINE: 0.02,
    Ending.BROKEN: 0.04,
    Ending.OPTION: 0.04,
    Ending.TOO_LARGE: 0.01,
    Ending.TOO_LONG: 0.01,
}
"""Shares of all requests. The others are answered."""

_WAYS: Mapping[Way, float] = {Way.HTTP: 3, Way.GRPC: 3, Way.PLAIN_HTTP: 2, Way.PLAIN_GRPC: 2}
_WAYS_TO: Mapping[Ending, Sequence[Way]] = {
    Ending.CLOSED: (Way.HTTP, Way.GRPC),
    # The client refuses bad options by itself.
    Ending.OPTION: (Way.PLAIN_HTTP, Way.PLAIN_GRPC),
    # Who waits by plain HTTP with a deadline hangs up.
    Ending.DEADLINE: (Way.HTTP, Way.GRPC, Way.PLAIN_GRPC),
}
_PIPELINES: Mapping[Pipeline, float] = {"diarized_asr": 2, "transcription": 1, "diarization": 1}

_HEARING: Sequence[Mapping[str, Any]] = (
    {},
    {"language": "en"},
    {"language": "en", "beam_size": 1, "temperature": 0.0},
    {"language": "en", "beam_size": 3, "word_timestamps": True},
    {"language": "en", "mode": "sequential"},
    {"mode": "sequential", "word_timestamps": True, "condition_on_previous_text": False, "temperature": 0.0},
    {"language": "de", "temperature": 0.0, "max_new_tokens": 60},
    {"task": "translate", "beam_size": 2},
    {"multilingual": True, "temperature": (0.0, 0.4)},
    {"language": "en", "vad_filter": False, "hotwords": "telephone"},
    {"language": "en", "vad_parameters": {"threshold": 0.4, "min_silence_duration_ms": 300}},
)
_TELLING_APART: Sequence[Mapping[str, Any]] = (
    {},
    {"num_speakers": 2},
    {"min_speakers": 2, "max_speakers": 4},
    {"segmentation_step": 0.25},
    {"speaker_embeddings": True, "clustering_threshold": 0.8},
    {"min_duration_off": 0.5},
)
_PUTTING_TOGETHER: Sequence[Mapping[str, Any]] = ({}, {"attribution": "word"}, {"attribution": "sentence"})
_BAD: Mapping[Pipeline, Sequence[Mapping[str, Any]]] = {
    "transcription": ({"beam_sise": 5}, {"beam_size": 0}, {"language": "english"}, {"num_speakers": 2}),
    "diarization": ({"beam_size": 5}, {"min_speakers": 3, "max_speakers": 2}, {"segmentation_step": 2.0}),
    "diarized_asr": (
        {"temperature": "hot"},
        {"known_speakers": '[{"name": "Ann"}]'},
        {"attribution": "luck"},
    ),
}
_VOICES: Mapping[Literal["", "vector", "clip"], float] = {"": 6, "vector": 1, "clip": 1}
_EVENTS = (1, 2, 3, 5)
_PATIENCE_S = (0.1, 0.3, 0.6)
"""Below what the longer recordings take, on any machine."""


@dataclass(frozen=True)
class Planned:
    """A request."""

    number: int
    """Which one it is."""
    ending: Ending
    """How it is to end."""
    way: Way
    """How the server is asked."""
    pipeline: Pipeline
    """What is wanted."""
    clip: Clip
    """The upload."""
    options: Mapping[str, Any]
    """How it is to be worked on, as keywords of the client."""
    voice: Literal["", "vector", "clip"]
    """How a known speaker is given, if one is."""
    streams: bool
    """Whether events are wanted, or the answer alone."""
    events: int
    """Of a stream that is closed: after how many."""
    patience_s: float
    """Of who hangs up, and of deadlines: after how long."""

    @property
    def ends_with(self) -> str:
        """What it is to end with."""
        return ENDS_WITH[self.ending]


def endings(number: int, chance: random.Random) -> list[Ending]:
    """Return how so many requests are to end, in some order: each ending as often as its share says."""
    found = [ending for ending, share in SHARES.items() for _ in range(round(share * number))]
    found += [Ending.ANSWER] * (number - len(found))
    chance.shuffle(found)
    return found


def plan(number: int, uploads: Uploads, seed: int) -> list[Planned]:
    """Plan so many requests."""
    chance = random.Random(seed)  # noqa: S311
    return [_planned(turn, ending, uploads, chance) for turn, ending in enumerate(endings(number, chance))]


def largest(times: int, uploads: Uploads) -> list[Planned]:
    """Plan uploads that are refused for their size, so many in a row for each pipeline."""
    chance = random.Random(0)  # noqa: S311
    one = _planned(0, Ending.TOO_LARGE, uploads, chance)
    return [
        replace(one, number=number, pipeline=pipeline, way=Way.PLAIN_GRPC, options={}, streams=False)
        for pipeline in _PIPELINES
        for number in range(times)
    ]


def _planned(number: int, ending: Ending, uploads: Uploads, chance: random.Random) -> Planned:
    pipeline = pick(_PIPELINES, chance)
    way = chance.choice(_WAYS_TO[ending]) if ending in _WAYS_TO else pick(_WAYS, chance)
    return Planned(
        number=number,
        ending=ending,
        way=way,
        pipeline=pipeline,
        clip=_clip(ending, uploads, chance),
        options=_options(ending, pipeline, chance),
        voice=pick(_VOICES, chance) if ending is Ending.ANSWER and pipeline != "transcription" else "",
        streams=ending is Ending.CLOSED or (not way.is_plain and chance.random() < 0.5),
        events=chance.choice(_EVENTS),
        patience_s=chance.choice(_PATIENCE_S),
    )


def _clip(ending: Ending, uploads: Uploads, chance: random.Random) -> Clip:
    match ending:
        case Ending.ANSWER | Ending.OPTION:
            return uploads.spoken.choose()
        case Ending.CLOSED | Ending.DROPPED | Ending.HUNG_UP | Ending.DEADLINE:
            return uploads.long.choose()
        case Ending.SILENCE:
            return chance.choice(uploads.silent)
        case Ending.BROKEN:
            return chance.choice(uploads.broken)
        case Ending.TOO_LARGE:
            return uploads.too_large
        case Ending.TOO_LONG:
            return uploads.too_long


def _options(ending: Ending, pipeline: Pipeline, chance: random.Random) -> dict[str, Any]:
    if ending is Ending.OPTION:
        return dict(chance.choice(_BAD[pipeline]))
    if ending is Ending.SILENCE:  # where all of it is to be heard, Whisper makes up what is said
        return {}
    sets = {
        "transcription": [_HEARING],
        "diarization": [_TELLING_APART],
        "diarized_asr": [_HEARING, _TELLING_APART, _PUTTING_TOGETHER],
    }[pipeline]
    return {name: value for options in sets for name, value in chance.choice(options).items()}
