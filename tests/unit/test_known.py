"""Recognising known voices, on embeddings made up here."""

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from triologue_server.diarization.known import Match, recognise

Embedding = NDArray[np.float32]


def pointing(degrees: float, length: float = 1.0) -> Embedding:
    """A vector in the plane: similarity is the cosine of the angle between two."""
    angle = np.radians(degrees)
    return (length * np.array([np.cos(angle), np.sin(angle)])).astype(np.float32)


def names(matches: dict[int, Match]) -> dict[int, str]:
    return {speaker: match.name for speaker, match in matches.items()}


def test_nobody_is_known() -> None:
    assert recognise({0: pointing(0)}, {}, 0.5) == {}


def test_nobody_has_a_voice() -> None:
    assert recognise({}, {"Ann": pointing(0)}, 0.5) == {}


def test_a_voice_takes_the_name_it_sounds_like() -> None:
    matches = recognise(
        {3: pointing(10), 7: pointing(100)}, {"Bob": pointing(90), "Ann": pointing(0)}, threshold=0.5
    )
    assert matches == {3: Match("Ann", 0.9848), 7: Match("Bob", 0.9848)}


@pytest.mark.parametrize("length", [1e-3, 1.0, 1e6])
def test_how_long_a_vector_is_does_not_matter(length: float) -> None:
    matches = recognise({0: pointing(60, length)}, {"Ann": pointing(0, 1 / length)}, 0.4)
    assert matches == {0: Match("Ann", 0.5)}


@pytest.mark.parametrize(
    ("degrees", "threshold", "found"),
    [(59, 0.5, True), (61, 0.5, False), (0, 1.0, True), (2, 1.0, False), (89, 0.0, True), (91, 0.0, False)],
)
def test_threshold(degrees: float, threshold: float, found: bool) -> None:
    matches = recognise({0: pointing(degrees)}, {"Ann": pointing(0)}, threshold)
    assert names(matches) == ({0: "Ann"} if found else {})


def test_a_name_goes_to_one_voice() -> None:
    assert recognise({0: pointing(20), 1: pointing(10)}, {"Ann": pointing(0)}, 0.5) == {
        1: Match("Ann", 0.9848)
    }


def test_a_voice_takes_one_name() -> None:
    known = {"Ann": pointing(20), "Bob": pointing(10)}
    assert names(recognise({0: pointing(0)}, known, 0.5)) == {0: "Bob"}


def test_all_together_are_as_similar_as_can_be() -> None:
    """Voice 0 is nearer to Ann than voice 1 is, which sounds like nobody else."""
    voices, known = {0: pointing(10), 1: pointing(-30)}, {"Ann": pointing(0), "Bob": pointing(40)}
    assert names(recognise({0: voices[0]}, known, 0.5)) == {0: "Ann"}
    assert names(recognise(voices, known, 0.5)) == {0: "Bob", 1: "Ann"}


def test_what_is_not_similar_enough_is_not_traded_for_anything() -> None:
    """Voice 1 would be Ann, if voice 0 were Bob; but nobody sounds like Bob."""
    voices, known = {0: pointing(0), 1: pointing(35)}, {"Ann": pointing(5), "Bob": pointing(-70)}
    assert recognise(voices, known, 0.5) == {0: Match("Ann", 0.9962)}


def test_a_voice_that_is_not_a_number_takes_no_name() -> None:
    voices = {0: np.full(2, np.nan, np.float32), 1: pointing(80)}
    assert names(recognise(voices, {"Ann": pointing(0)}, 0.0)) == {1: "Ann"}


@pytest.mark.parametrize("seed", range(20))
def test_any_voices_and_names(seed: int) -> None:
    """Against every way there is to give the names."""
    chance = np.random.default_rng(seed)
    voices = {int(speaker): chance.normal(size=3).astype(np.float32) for speaker in chance.permutation(4)}
    known = {name: chance.normal(size=3).astype(np.float32) for name in "ABCDE"[: chance.integers(1, 6)]}
    threshold = chance.choice([0.0, 0.3, 0.8])
    similarity = {
        (speaker, name): float(voice @ other / np.linalg.norm(voice) / np.linalg.norm(other))
        for speaker, voice in voices.items()
        for name, other in known.items()
    }

    def worth(pairs: list[tuple[int, str]]) -> float:
        return sum(similarity[pair] for pair in pairs if similarity[pair] >= threshold)

    matches = recognise(voices, known, threshold)
    given = [(speaker, match.name) for speaker, match in matches.items()]
    assert len({name for _, name in given}) == len(given)
    for pair, match in zip(given, matches.values(), strict=True):
        assert match.similarity == pytest.approx(similarity[pair], abs=1e-4)
        assert similarity[pair] >= threshold
    names_or_none = [*known, *[""] * len(voices)]
    best = max(
        worth([(speaker, name) for speaker, name in zip(voices, order, strict=True) if name])
        for order in permutations(names_or_none, len(voices))
    )
    assert worth(given) == pytest.approx(best, abs=1e-5)
