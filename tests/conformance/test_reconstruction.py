"""Reconstruction against pyannote's own, told the same activity and the same voices."""

import copy
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation, SlidingWindow, SlidingWindowFeature

from tests.conformance.diarizing import HOP, Heard, speakers
from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.diarization.clustering import NOBODY, tell_apart
from triologue_server.diarization.reconstruction import Reconstruction, Turn
from triologue_server.diarization.spans import FRAMES, SPEAKERS

Activity = NDArray[np.uint8]
Voices = NDArray[np.int64]

HOPS = [8_000, HOP, 32_000, 53_330, 80_000, 160_000]
FRAME_SECONDS = 270 / 16_000


@pytest.fixture(autouse=True)
def first_of_equals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pyannote take the first of voices that as many windows hear; it leaves that to NumPy's sort."""
    monkeypatch.setattr(np, "argsort", partial(np.argsort, kind="stable"))


def turns_of(annotation: Annotation) -> list[Turn]:
    return sorted((turn.start, turn.end, voice) for turn, _, voice in annotation.itertracks(yield_label=True))


def feature(activity: Activity, hop: int) -> SlidingWindowFeature:
    window = SlidingWindow(start=0.0, duration=10.0, step=hop / 16_000)
    return SlidingWindowFeature(activity.astype(np.float32), window)


def reconstruct(
    pipeline: SpeakerDiarization,
    activity: Activity,
    voices: Voices,
    hop: int,
    most: int | None = None,
    longest_gap: float = 0.0,
) -> tuple[list[Turn], list[Turn]]:
    """What pyannote makes of it: turns, and exclusive turns."""
    field = pipeline._segmentation.model.receptive_field
    count = SpeakerDiarization.speaker_count(feature(activity, hop), field, warm_up=(0.0, 0.0))
    if most is not None:
        count.data = np.minimum(count.data, most)
    clusters = np.where(voices == NOBODY, -2, voices)
    made = []
    for _ in range(2):
        # It spoils the activity that it is given.
        discrete = pipeline.reconstruct(feature(activity, hop), clusters, copy.deepcopy(count))
        annotation = SpeakerDiarization.to_annotation(discrete, min_duration_off=longest_gap)
        made.append(turns_of(annotation))
        count.data = np.minimum(count.data, 1)
    return made[0], made[1]


def assert_same(ours: list[Turn], theirs: list[Turn]) -> None:
    assert [voice for *_, voice in ours] == [voice for *_, voice in theirs]
    times, expected = ([turn[:2] for turn in turns] for turns in (ours, theirs))
    np.testing.assert_allclose(np.reshape(times, (-1, 2)), np.reshape(expected, (-1, 2)), atol=1e-6)


def conversation(seed: int, hop: int, seconds: float = 60.0, people: int = 4) -> tuple[Activity, Voices]:
    """Up to three people in each window, who are nobody else in it, and of whom some windows make more."""
    chance = np.random.default_rng(seed)
    windows = 1 + int((seconds - 10.0) * 16_000 // hop)
    frames = round(seconds * 16_000 / 270) + FRAMES
    truth = np.zeros((frames, people), np.uint8)
    for person in range(people):
        for start in chance.integers(0, frames, 8):
            truth[start : start + chance.integers(1, 300), person] = 1
    activity = np.zeros((windows, FRAMES, SPEAKERS), np.uint8)
    voices = np.full((windows, SPEAKERS), NOBODY)
    for window in range(windows):
        at = round(window * hop / 270)
        heard = chance.permutation(people)[: chance.integers(0, SPEAKERS + 1)]
        for speaker, person in zip(chance.permutation(SPEAKERS), heard, strict=False):
            active = truth[at : at + FRAMES, person] ^ (chance.random(FRAMES) < chance.choice([0.0, 0.03]))
            activity[window, :, speaker] = active
            if active.any():
                voices[window, speaker] = person
    if not activity.any():
        activity[0, 100:200, 0], voices[0, 0] = 1, 0
    return activity, voices


class TestOfTheSample:
    @pytest.mark.parametrize(
        "options", [{}, {"num_speakers": 1}, {"num_speakers": 3}, {"max_speakers": 1}, {"min_speakers": 4}]
    )
    def test_turns_are_those_of_the_whole_pipeline(
        self, pipeline: SpeakerDiarization, heard: Heard, options: dict[str, int]
    ) -> None:
        """Clustering is pyannote's too; it numbers speakers otherwise."""
        told = copy.copy(pipeline)
        told.get_segmentations = lambda file, hook=None: feature(heard.activity, HOP)
        told.get_embeddings = lambda file, binary, exclude_overlap=False, hook=None: heard.embeddings.copy()
        output = told.apply({"uri": None}, **options)
        found = heard.diarized(pipeline, **options)
        labels = dict.fromkeys(label for *_, label in turns_of(output.speaker_diarization))
        names = dict(zip(labels, speakers(found.turns), strict=True))
        for ours, theirs in (
            (found.turns, output.speaker_diarization),
            (found.exclusive_turns, output.exclusive_speaker_diarization),
        ):
            expected = turns_of(theirs)
            assert [turn.speaker for turn in ours] == [names[label] for *_, label in expected]
            times = [(turn.time_interval.start, turn.time_interval.end) for turn in ours]
            np.testing.assert_allclose(times, [turn[:2] for turn in expected], atol=0.0006)

    @pytest.mark.parametrize("hop", HOPS)
    @pytest.mark.parametrize("longest_gap", [0.0, 0.5])
    def test_turns_are_those_of_pyannote(
        self,
        pipeline: SpeakerDiarization,
        hear_sample: Callable[[int], Heard],
        hop: int,
        longest_gap: float,
    ) -> None:
        heard = hear_sample(hop)
        options = PyannoteSpeakerDiarizationParams(num_speakers=2)
        voices = tell_apart(pipeline, heard.activity, heard.embeddings, hop, options).speakers
        ours = Reconstruction(heard.activity, voices, hop, 2)
        turns, exclusive = reconstruct(pipeline, heard.activity, voices, hop, 2, longest_gap)
        assert len(turns) > 3
        assert_same(ours.turns(longest_gap), turns)
        assert_same(ours.exclusive_turns(longest_gap), exclusive)


class TestOfAnyConversation:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("hop", HOPS)
    def test_turns_are_those_of_pyannote(self, pipeline: SpeakerDiarization, hop: int, seed: int) -> None:
        activity, voices = conversation(seed, hop)
        turns, exclusive = reconstruct(pipeline, activity, voices, hop)
        ours = Reconstruction(activity, voices, hop)
        assert len(turns) > 3
        assert_same(ours.turns(), turns)
        assert_same(ours.exclusive_turns(), exclusive)

    @pytest.mark.parametrize("longest_gap", [0.1, 0.5, 2.0, 70.0])
    @pytest.mark.parametrize("hop", [HOP, 80_000])
    def test_pauses_are_filled_as_pyannote_does(
        self, pipeline: SpeakerDiarization, hop: int, longest_gap: float
    ) -> None:
        activity, voices = conversation(7, hop)
        turns, exclusive = reconstruct(pipeline, activity, voices, hop, longest_gap=longest_gap)
        ours = Reconstruction(activity, voices, hop)
        assert_same(ours.turns(longest_gap), turns)
        assert_same(ours.exclusive_turns(longest_gap), exclusive)
        assert len(turns) < len(ours.turns())

    @pytest.mark.parametrize("most", [1, 2])
    def test_no_more_speak_at_once_than_there_may_be(self, pipeline: SpeakerDiarization, most: int) -> None:
        activity, voices = conversation(4, 160_000)
        turns, exclusive = reconstruct(pipeline, activity, voices, 160_000, most)
        ours = Reconstruction(activity, voices, 160_000, most)
        assert_same(ours.turns(), turns)
        assert_same(ours.exclusive_turns(), exclusive)
        assert at_once(ours.turns()) == most
        assert at_once(Reconstruction(activity, voices, 160_000).turns()) == 3

    @pytest.mark.parametrize("seed", range(20))
    def test_exclusive_turns_never_overlap(self, seed: int) -> None:
        hop = HOPS[seed % len(HOPS)]
        activity, voices = conversation(100 + seed, hop)
        made = Reconstruction(activity, voices, hop)
        exclusive = made.exclusive_turns()
        assert all(one[1] <= other[0] + 1e-9 for one, other in pairwise(exclusive))
        # At any time somebody speaks in them if anybody does.
        assert_same(joined(exclusive), joined(made.turns()))


def at_once(turns: list[Turn]) -> int:
    """How many speak at one time at most."""
    changes = sorted(change for start, end, _ in turns for change in ((start, 1), (end, -1)))
    return int(max(np.cumsum([change for _, change in changes])))


def joined(turns: list[Turn]) -> list[Turn]:
    """When anybody speaks."""
    spoken: list[Turn] = []
    for start, end, _ in turns:
        if spoken and start <= spoken[-1][1] + 1e-9:
            spoken[-1] = (spoken[-1][0], max(end, spoken[-1][1]), 0)
        else:
            spoken.append((start, end, 0))
    return spoken


class TestRules:
    """Of one window, in which a frame stands for its middle."""

    def one_window(self, *active: tuple[int, int]) -> Activity:
        activity = np.zeros((1, FRAMES, SPEAKERS), np.uint8)
        for speaker, (start, stop) in enumerate(active):
            activity[0, start:stop, speaker] = 1
        return activity

    def seconds(self, frame: int) -> float:
        return (frame * 270 + 495.5) / 16_000

    def test_a_turn_begins_and_ends_in_the_middle_of_a_frame(self) -> None:
        made = Reconstruction(self.one_window((0, 40), (100, 101)), np.array([[0, 1, NOBODY]]), HOP)
        assert_same(
            made.turns(),
            [(self.seconds(0), self.seconds(40), 0), (self.seconds(100), self.seconds(101), 1)],
        )

    def test_half_of_the_windows_or_fewer_are_too_few(self) -> None:
        """As many are speaking as the windows hear on average, and half a speaker is none."""
        activity = np.concatenate([self.one_window((200, 300)), self.one_window()])
        voices = np.array([[0, NOBODY, NOBODY], [NOBODY] * 3])
        assert_same(
            Reconstruction(activity, voices, 80_000).turns(), [(self.seconds(200), self.seconds(296), 0)]
        )

    def test_most_windows_decide_who_it_is(self) -> None:
        activity = np.concatenate([self.one_window((300 - 59 * at, 350 - 59 * at)) for at in range(5)])
        voices = np.array([[voice, NOBODY, NOBODY] for voice in (0, 1, 1, 0, 1)])
        turns = Reconstruction(activity, voices, HOP).turns()
        assert {voice for start, end, voice in turns if end - start > 3 * FRAME_SECONDS} == {1}

    def test_two_of_a_window_who_have_one_voice_are_heard_as_one_and_another(
        self, pipeline: SpeakerDiarization
    ) -> None:
        """Two are counted, and somebody is heard who has no voice: the next one, with an index of its own."""
        activity, voices = self.one_window((100, 400), (200, 300)), np.array([[0, 0, NOBODY]])
        made = Reconstruction(activity, voices, HOP)
        assert_same(
            made.turns(),
            [(self.seconds(100), self.seconds(400), 0), (self.seconds(200), self.seconds(300), 1)],
        )
        assert_same(made.exclusive_turns(), [(self.seconds(100), self.seconds(400), 0)])
        assert_same(made.turns(), reconstruct(pipeline, activity, voices, HOP)[0])

    def test_two_of_a_window_who_have_one_voice_may_be_bound_to_be_one(self) -> None:
        activity, voices = self.one_window((100, 400), (200, 300)), np.array([[0, 0, NOBODY]])
        made = Reconstruction(activity, voices, HOP, most=1)
        assert_same(made.turns(), [(self.seconds(100), self.seconds(400), 0)])

    def test_nobody_is_counted_and_has_no_turn(self) -> None:
        """Somebody speaks whom the clustering gives no voice; those who have one are as they were."""
        activity, voices = self.one_window((100, 200), (300, 400), (150, 180)), np.array([[0, 1, NOBODY]])
        made = Reconstruction(activity, voices, HOP, most=1)
        assert_same(
            made.turns(),
            [(self.seconds(100), self.seconds(200), 0), (self.seconds(300), self.seconds(400), 1)],
        )
