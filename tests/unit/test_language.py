"""Which language a recording is in, by what its windows were detected to be in."""

import asyncio

import pytest

from triologue.schema import AsrTranscriptionInfo
from triologue_server.conductor.language import LanguageVote

Detections = dict[int, tuple[str, float]]


def decision(windows: int, heard: Detections, of: int | None = None) -> tuple[str, float] | None:
    """Return what is decided after these detections, in this order, with a threshold of a half."""

    async def vote() -> AsrTranscriptionInfo | None:
        languages = LanguageVote(windows, 0.5)
        for window, (language, confidence) in heard.items():
            languages.hear(window, language, confidence)
        if of is not None:
            languages.close(of)
        return languages.decision

    found = asyncio.run(vote())
    return found and (found.language, found.language_confidence)


@pytest.mark.parametrize(
    ("windows", "heard", "decided"),
    [
        pytest.param(1, {0: ("en", 0.9)}, ("en", 0.9), id="certain"),
        pytest.param(1, {0: ("en", 0.3)}, ("en", 0.3), id="the one that has a vote"),
        pytest.param(1, {1: ("de", 0.9)}, None, id="another window has none"),
        pytest.param(3, {0: ("en", 0.3)}, None, id="uncertain"),
        pytest.param(3, {0: ("en", 0.3), 1: ("de", 0.8)}, ("de", 0.8), id="the second is certain"),
        pytest.param(3, {1: ("de", 0.8)}, None, id="the first may be certain too"),
        pytest.param(3, {1: ("de", 0.8), 0: ("en", 0.6)}, ("en", 0.6), id="the first that is certain"),
        pytest.param(
            3,
            {0: ("en", 0.4), 2: ("de", 0.3), 1: ("de", 0.2)},
            ("de", 0.3),
            id="most, with its best confidence",
        ),
    ],
)
def test_decision(windows: int, heard: Detections, decided: tuple[str, float] | None) -> None:
    assert decision(windows, heard) == decided


def test_a_short_recording_has_fewer_votes() -> None:
    assert decision(5, {0: ("en", 0.4), 1: ("en", 0.3)}) is None
    assert decision(5, {0: ("en", 0.4), 1: ("en", 0.3)}, of=2) == ("en", 0.4)


def test_nothing_is_decided_of_nothing() -> None:
    assert decision(1, {}, of=0) is None


def test_a_decision_stays() -> None:
    assert decision(1, {0: ("en", 0.9), 1: ("de", 1.0)}) == ("en", 0.9)


def test_one_that_stops_waiting_leaves_the_others_waiting() -> None:
    async def test() -> str:
        languages = LanguageVote(1, 0.5)
        impatient = asyncio.create_task(languages.decided())
        patient = asyncio.create_task(languages.decided())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
        languages.hear(0, "en", 0.9)
        return (await patient).language

    assert asyncio.run(test()) == "en"
