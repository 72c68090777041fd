"""What one caller says, asks and is told never shows in the answer to another."""

import json
import math
import random
import time
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.full import full
from tests.server.metrics import counts
from tests.server.recordings import wav
from triologue import Client, KnownSpeaker
from triologue_server.settings import Settings
from triologue_server.triton.metrics import IN_FLIGHT
from triologue_server.triton.server import TritonServer

RATE = 16_000

Part = tuple[float, float] | float
"""From second to second of the conversation, or seconds of silence."""

HELLO, OH_HELLO, NEITHER, DIANE = (6.2, 8.0), (8.2, 9.9), (9.8, 12.5), (12.3, 14.1)
SHEILA, CHICAGO, JERSEY = (14.2, 17.7), (17.9, 20.1), (20.0, 21.6)
DIFFERENCE, YANKEE, LAST = (21.6, 23.9), (23.9, 27.3), (27.3, 30.0)

ENGLISH = {"language": "en", "temperature": 0.0}  # above zero Whisper rolls dice
BY_NAME = {"known_speaker_threshold": 0.0}  # whoever sounds most like them gets the names


@dataclass(frozen=True)
class Call:
    """A call whose recording and options are like no other's."""

    method: str
    parts: Sequence[Part]
    options: dict[str, Any] = field(default_factory=dict)
    marks: Sequence[str] = ()
    """What is in its answer, and in no other."""
    known: dict[str, Part] = field(default_factory=dict)
    """Names of known speakers, and where they speak."""


CALLS = (
    Call("transcribe", [DIANE], {**ENGLISH, "initial_prompt": "Dyanne Nu Jerzee"}, ["Dyanne", "Jerzee"]),
    Call(
        "transcribe",
        [SHEILA],
        {**ENGLISH, "hotwords": "Shielah Chikago", "word_timestamps": True},
        ["Shielah", "Shikago"],
    ),
    Call("transcribe", [DIFFERENCE], {**ENGLISH, "prefix": "Quokkas say", "beam_size": 3}, ["Quokkas"]),
    Call(
        "transcribe",
        [YANKEE],
        {**ENGLISH, "initial_prompt": "He is a Yanqui.", "mode": "sequential"},
        ["Yanqui"],
    ),
    Call(
        "transcribe",
        [SHEILA, 0.3],
        {"language": "fr", "temperature": 0.0, "without_timestamps": False},
        ["Je suis"],
    ),
    Call(
        "transcribe_diarized",
        [SHEILA, 0.5, DIANE],
        {**ENGLISH, "initial_prompt": "My name is Sheelagh.", "attribution": "word", **BY_NAME},
        ["Sheelagh", "Wilhelmina", "Ottokar"],
        {"Wilhelmina": CHICAGO, "Ottokar": YANKEE},
    ),
    Call(
        "transcribe_diarized",
        [YANKEE, 1.0, DIANE],
        {**ENGLISH, "initial_prompt": "Yankeh, Yankeh.", "max_speakers": 2, "speaker_embeddings": True},
        ["Yankeh"],
    ),
    Call(
        "transcribe_diarized",
        [CHICAGO, YANKEE],
        {"language": "de", "temperature": 0.0, "task": "translate", "attribution": "sentence"},
    ),
    Call("diarize", [HELLO, 0.3, SHEILA], BY_NAME, ["Philippine"], {"Philippine": DIANE}),
    Call("diarize", [LAST, DIFFERENCE], {**BY_NAME, "max_speakers": 1}, ["Balthasar"], {"Balthasar": YANKEE}),
    Call("diarize", [OH_HELLO, NEITHER], {"num_speakers": 7}, ["exactly 7 speakers"]),
    Call("diarize", [NEITHER, 0.6, JERSEY], {"min_speakers": 5}, ["at least 5 speakers"]),
    Call("diarize", [DIANE, SHEILA, DIFFERENCE], {"clustering_threshold": 0.3, "speaker_embeddings": True}),
    Call("diarize", [0.7, CHICAGO, JERSEY, LAST], {"segmentation_step": 0.5, "min_duration_off": 1.0}),
    Call("diarize", [YANKEE, LAST], {"segmentation_step": 0.25, "clustering_threshold": 2.0}),
    Call("diarize", [JERSEY, 0.2, DIANE, HELLO], {"speaker_embeddings": True, "min_duration_off": 0.5}),
)

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def roomy() -> Iterator[TritonServer]:
    """A server that works on all of them at once."""
    settings = Settings(
        http_port=0,
        grpc_port=0,
        metrics_port=0,
        limits={"recordings_in_flight": len(CALLS)},
        service={name: {"concurrency": 1} for name in ("diarized_asr", "transcription", "diarization")},
    )
    with TritonServer(settings) as server:
        yield server


@pytest.fixture(scope="module")
def conversation(sample: Path) -> NDArray[np.int16]:
    with wave.open(str(sample)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.fixture(scope="module")
def alone(roomy: TritonServer, conversation: NDArray[np.int16]) -> list[Answer]:
    """What each call is answered when there is no other."""
    with Client(roomy.grpc_url, timeout_s=250) as client:
        return [answer(client, call, conversation) for call in CALLS]


def answer(client: Client, call: Call, conversation: NDArray[np.int16]) -> Answer:
    options = dict(call.options)
    if call.known:
        options["known_speakers"] = tuple(
            KnownSpeaker.from_clip(name, recording([part], conversation)) for name, part in call.known.items()
        )
    result = getattr(client, call.method)(recording(call.parts, conversation), **options)
    told: Answer = result.model_dump(mode="json", exclude={"processing"})
    return told


def recording(parts: Sequence[Part], conversation: NDArray[np.int16]) -> bytes:
    return wav(
        np.concatenate(
            [
                conversation[round(part[0] * RATE) : round(part[1] * RATE)]
                if isinstance(part, tuple)
                else np.zeros(round(part * RATE), np.int16)
                for part in parts
            ]
        )
    )


def together(triton: TritonServer, conversation: NDArray[np.int16], seed: int) -> tuple[list[Answer], int]:
    """Make all calls at once, half of them over HTTP; return their answers, and how many were in work."""
    order = random.Random(seed).sample(range(len(CALLS)), len(CALLS))
    start = Barrier(len(CALLS))
    answers: dict[int, Answer] = {}
    in_work = 0
    with ExitStack() as clients, ThreadPoolExecutor(len(CALLS)) as pool:

        def ask(client: Client, number: int) -> None:
            start.wait()
            answers[number] = answer(client, CALLS[number], conversation)

        asked = []
        for place, number in enumerate(order):
            url = triton.grpc_url if place % 2 else triton.http_url
            client = clients.enter_context(Client(url, timeout_s=250, retries=0))
            asked.append(pool.submit(ask, client, number))
        while not all(call.done() for call in asked):
            in_work = max(in_work, counts(triton, IN_FLIGHT)[""])
            time.sleep(0.05)
        for call in asked:
            call.result()
    return [answers[number] for number in range(len(CALLS))], in_work


def test_each_answer_has_marks_of_its_own(alone: list[Answer]) -> None:
    for call, told in zip(CALLS, alone, strict=True):
        for mark in call.marks:
            assert [mark in json.dumps(other) for other in alone] == [other is told for other in alone]


@pytest.mark.parametrize("seed", [1, 2])
def test_an_answer_is_the_same_among_others(
    roomy: TritonServer, conversation: NDArray[np.int16], alone: list[Answer], seed: int
) -> None:
    answers, in_work = together(roomy, conversation, seed)
    assert answers == alone
    assert in_work == len(CALLS)


@full
def test_an_answer_is_the_same_in_a_batch_with_others(
    batched: TritonServer, conversation: NDArray[np.int16], alone: list[Answer]
) -> None:
    requests, executions = "nv_inference_request_success", "nv_inference_exec_count"
    before = counts(batched, requests), counts(batched, executions)
    answers, in_work = together(batched, conversation, 3)
    served = counts(batched, requests) - before[0]
    executed = counts(batched, executions) - before[1]
    for core in ("whisper", "pyannote_segmentation", "speaker_embedding"):
        assert 0 < executed[core] < served[core]
    assert alike(answers, alone)
    assert in_work == len(CALLS)


def alike(one: Any, other: Any) -> bool:
    """Compare answers; a batch may be added up in another order, which may change last digits.

    Where this was written none changed. What is allowed is a step of Whisper's clock, 0.02 s.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0.001, abs_tol=0.0201)
    return bool(one == other)
