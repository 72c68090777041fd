"""Finding speech in the segmentation network's answers, made up here."""

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from triologue.schema import VadParameters
from triologue_server.audio import SAMPLE_RATE
from triologue_server.conductor.speech import Region, SpeechFinder
from triologue_server.diarization.spans import FRAMES, SPEAKERS, num_windows
from triologue_server.transcription.window import WINDOW_SAMPLES

FRAMES_A_SECOND = 58.9  # 589 in a window of ten seconds
HOP = 16_000
HOPS = [8_000, HOP, 32_000, 53_330, 80_000, 160_000]
PAD = 0.4
FRAME = 1 / FRAMES_A_SECOND

Activity = NDArray[np.uint8]
Times = list[tuple[float, float]]


def first_frame(window: int, hop: int = HOP) -> int:
    """Frame of the recording that a window starts at."""
    return round(window * hop / SAMPLE_RATE * FRAMES_A_SECOND)


def activity_of(seconds: float, *speech: tuple[float, float], hop: int = HOP) -> Activity:
    """What the network says when all windows hear the same speech, (windows, frames, speakers)."""
    windows = num_windows(round(seconds * SAMPLE_RATE), hop)
    truth = np.zeros(first_frame(windows, hop) + FRAMES, np.uint8)
    for start, end in speech:
        truth[round(start * FRAMES_A_SECOND) : round(end * FRAMES_A_SECOND)] = 1
    activity = np.zeros((windows, FRAMES, SPEAKERS), np.uint8)
    for window in range(windows):
        # Who it is does not matter, and differs from window to window.
        at = first_frame(window, hop)
        activity[window, :, window % SPEAKERS] = truth[at : at + FRAMES]
    return activity


def find(
    seconds: float, activity: Activity, groups: list[int] | None = None, hop: int = HOP, **parameters: Any
) -> list[Region]:
    """Find the regions, with the windows handed over in groups of these sizes."""
    finder = SpeechFinder(round(seconds * SAMPLE_RATE), hop, VadParameters(**parameters))
    regions: list[Region] = []
    at = 0
    for size in groups or [len(activity)]:
        regions += finder.add(activity[at : at + size])
        at += size
    assert at == len(activity)
    return regions + list(finder.finish())


def times(regions: list[Region]) -> Times:
    return [(region.start / SAMPLE_RATE, region.stop / SAMPLE_RATE) for region in regions]


def near(*expected: tuple[float, float]) -> Times:
    """These times, give or take a frame."""
    return [pytest.approx(time, abs=FRAME) for time in expected]


class TestRegions:
    def test_silence(self) -> None:
        assert find(65.0, activity_of(65.0)) == []

    def test_speech_gets_room_at_both_ends(self) -> None:
        assert times(find(20.0, activity_of(20.0, (5.0, 8.0)))) == near((4.6, 8.4))

    def test_room_ends_with_the_recording(self) -> None:
        assert times(find(20.0, activity_of(20.0, (0.1, 5.0), (15.0, 19.9)))) == near((0, 5.4), (14.6, 20))

    def test_all_speech(self) -> None:
        assert find(20.0, activity_of(20.0, (0.0, 20.0))) == [Region(0, 20 * SAMPLE_RATE)]

    def test_short_silence_does_not_divide(self) -> None:
        assert times(find(20.0, activity_of(20.0, (5.0, 8.0), (8.7, 10.0)))) == near((4.6, 10.4))

    def test_long_silence_divides(self) -> None:
        assert times(find(20.0, activity_of(20.0, (5.0, 8.0), (8.9, 10.0)))) == near((4.6, 8.4), (8.5, 10.4))

    def test_half_of_the_windows_decide(self) -> None:
        """At 15 to 16 s ten windows listen: those that start at 6, 7, ... 15 s."""
        activity = activity_of(30.0)
        for window in range(6, 11):
            at = round(15 * FRAMES_A_SECOND) - first_frame(window)
            activity[window, at : at + 59, 0] = 1
        assert times(find(30.0, activity)) == near((14.6, 16.4))
        activity[6] = 0
        assert find(30.0, activity) == []

    @pytest.mark.parametrize("seconds", [0.01, 0.5, 3.0, 9.99, 10.0])
    def test_recording_of_one_window(self, seconds: float) -> None:
        assert find(seconds, activity_of(seconds)) == []
        assert find(seconds, activity_of(seconds, (0.0, seconds + 1))) == [
            Region(0, round(seconds * SAMPLE_RATE))
        ]

    def test_short_recording(self) -> None:
        assert times(find(3.0, activity_of(3.0, (1.0, 1.5)))) == near((0.6, 1.9))

    @pytest.mark.parametrize("seconds", [3.0, 12.3])
    def test_speech_heard_behind_the_end_is_none(self, seconds: float) -> None:
        """The last window reaches past the end, into zeros that the network may hear something in."""
        assert find(seconds, activity_of(seconds, (seconds + 0.5, seconds + 0.7))) == []

    def test_region_is_out_as_soon_as_it_is_certain(self) -> None:
        """Speech up to 8 s: the windows that start before 9 s settle the silence behind it."""
        activity = activity_of(60.0, (5.0, 8.0))
        finder = SpeechFinder(60 * SAMPLE_RATE, HOP)
        assert list(finder.add(activity[:8])) == []
        assert times(list(finder.add(activity[8:9]))) == near((4.6, 8.4))


class TestHop:
    @pytest.mark.parametrize("hop", HOPS)
    def test_of_the_windows_does_not_matter_where_they_agree(self, hop: int) -> None:
        activity = activity_of(61.0, (5.0, 8.0), (12.0, 21.5), (40.0, 59.9), hop=hop)
        assert times(find(61.0, activity, hop=hop)) == near((4.6, 8.4), (11.6, 21.9), (39.6, 60.3))

    def test_as_long_as_a_window_leaves_one_to_decide(self) -> None:
        activity = activity_of(40.0, (12.0, 14.0), (15.0, 18.0), (31.0, 33.0), hop=160_000)
        activity[3] = 0
        assert times(find(40.0, activity, hop=160_000)) == near((11.6, 14.4), (14.6, 18.4))

    def test_of_five_seconds_leaves_two_to_decide(self) -> None:
        """At 15 to 20 s the windows that start at 10 and 15 s listen, and one of them is enough."""
        activity = activity_of(40.0, (16.0, 18.0), hop=80_000)
        activity[2] = 0
        assert times(find(40.0, activity, hop=80_000)) == near((15.6, 18.4))
        activity[3] = 0
        assert find(40.0, activity, hop=80_000) == []

    def test_decides_when_a_region_is_out(self) -> None:
        """Speech up to 8 s: with windows every two seconds, the one that starts at 10 s settles it."""
        activity = activity_of(60.0, (5.0, 8.0), hop=32_000)
        finder = SpeechFinder(60 * SAMPLE_RATE, 32_000)
        assert list(finder.add(activity[:4])) == []
        assert times(list(finder.add(activity[4:5]))) == near((4.6, 8.4))


class TestLongSpeech:
    def test_is_cut_where_it_is_quietest(self) -> None:
        """Only the second half of the 30 s is looked at: the pause at 5 s would make a short window."""
        activity = activity_of(60.0, (0.0, 5.0), (5.5, 22.0), (22.4, 60.0))
        (_, first), *rest = times(find(60.0, activity))
        assert 22.0 < first < 22.4
        assert len(rest) == 2

    def test_is_cut_at_a_pause_that_some_windows_hear(self) -> None:
        """No frame is silent to all windows, but one is to most of those that still count it as speech."""
        activity = activity_of(60.0, (0.0, 60.0))
        for window in range(12, 16):
            at = round(21.0 * FRAMES_A_SECOND) - first_frame(window)
            activity[window, at : at + 18] = 0
        (_, first), *_ = times(find(60.0, activity))
        assert first == pytest.approx(21.15, abs=0.2)

    def test_speech_without_a_pause_makes_full_windows(self) -> None:
        regions = find(100.0, activity_of(100.0, (0.0, 100.0)))
        assert [region.samples / SAMPLE_RATE for region in regions] == [
            pytest.approx(29, abs=0.5),
            pytest.approx(29, abs=0.5),
            pytest.approx(29, abs=0.5),
            pytest.approx(13, abs=1.5),
        ]

    def test_pieces_touch(self) -> None:
        regions = find(100.0, activity_of(100.0, (0.0, 100.0)))
        assert regions[0].start == 0
        assert all(one.stop == next_one.start for one, next_one in pairwise(regions))
        assert regions[-1].stop == 100 * SAMPLE_RATE


def heard_by(share: int, *speech: tuple[float, float], seconds: float = 40.0) -> Activity:
    """Activity of speech that no more than `share` of ten neighbouring windows hear."""
    activity = activity_of(seconds, *speech)
    for window in range(len(activity)):
        if window % 10 >= share:
            activity[window] = 0
    return activity


def joined(*activities: Activity) -> Activity:
    return np.maximum.reduce(activities)


class TestParameters:
    """Those of `VadParameters`, on recordings of 40 seconds; between 9 and 30 s ten windows listen."""

    @pytest.mark.parametrize(
        ("share", "threshold", "found"), [(4, None, False), (5, None, True), (4, 0.3, True), (8, 0.9, False)]
    )
    def test_threshold(self, share: int, threshold: float | None, found: bool) -> None:
        """It is compared to the share of windows that hear somebody."""
        activity = heard_by(share, (15.0, 20.0))
        regions = times(find(40.0, activity, threshold=threshold))
        assert regions == (near((14.6, 20.4)) if found else [])

    def test_speech_goes_on_above_the_lower_threshold(self) -> None:
        activity = joined(activity_of(40.0, (15.0, 17.0)), heard_by(3, (12.0, 20.0)))
        assert times(find(40.0, activity)) == near((14.6, 17.4))
        assert times(find(40.0, activity, neg_threshold=0.2)) == near((14.6, 20.4))
        assert times(find(40.0, activity, neg_threshold=0.4)) == near((14.6, 17.4))

    def test_what_is_never_above_the_threshold_is_no_speech(self) -> None:
        assert find(40.0, heard_by(4, (12.0, 20.0)), neg_threshold=0.1) == []

    @pytest.mark.parametrize(("milliseconds", "regions"), [(None, 2), (400, 2), (1_400, 2), (1_600, 1)])
    def test_shorter_silence_does_not_divide(self, milliseconds: int | None, regions: int) -> None:
        activity = activity_of(40.0, (12.0, 15.0), (16.5, 18.0))
        assert len(find(40.0, activity, min_silence_duration_ms=milliseconds)) == regions

    def test_short_silence_divides_when_asked_to(self) -> None:
        """Room at both ends overlaps then, and goes to the first."""
        activity = activity_of(40.0, (12.0, 15.0), (15.3, 18.0))
        regions = times(find(40.0, activity, min_silence_duration_ms=200))
        assert regions == near((11.6, 15.4), (15.4, 18.4))

    @pytest.mark.parametrize(
        ("milliseconds", "expected"), [(None, 2), (500, 2), (900, 1), (2_500, 1), (3_500, 0)]
    )
    def test_shorter_speech_is_left_out(self, milliseconds: int | None, expected: int) -> None:
        activity = activity_of(40.0, (12.0, 15.0), (20.0, 20.7))
        assert len(find(40.0, activity, min_speech_duration_ms=milliseconds)) == expected

    @pytest.mark.parametrize(("milliseconds", "pad"), [(0, 0.0), (100, 0.1), (2_000, 2.0)])
    def test_room_at_both_ends(self, milliseconds: int, pad: float) -> None:
        activity = activity_of(40.0, (15.0, 20.0))
        assert times(find(40.0, activity, speech_pad_ms=milliseconds)) == [
            pytest.approx((15.0 - pad, 20.0 + pad), abs=1.5 * FRAME)
        ]

    def test_without_room_every_silence_divides(self) -> None:
        activity = activity_of(40.0, (12.0, 15.0), (15.1, 18.0))
        assert times(find(40.0, activity, speech_pad_ms=0)) == near((12.0, 15.0), (15.1, 18.0))

    @pytest.mark.parametrize("longest", [2.0, 5.0, 12.0])
    def test_longer_speech_is_divided(self, longest: float) -> None:
        activity = activity_of(40.0, (2.0, 38.0))
        regions = find(40.0, activity, max_speech_duration_s=longest)
        assert max(region.samples for region in regions) <= longest * SAMPLE_RATE
        assert times(regions)[0][0] == pytest.approx(1.6, abs=FRAME)
        assert times(regions)[-1][1] == pytest.approx(38.4, abs=FRAME)
        assert all(one.stop == next_one.start for one, next_one in pairwise(regions))

    def test_speech_in_the_room_of_other_speech_is_not_heard_twice(self) -> None:
        """What follows is divided at places of which the first lies in the room of what came before."""
        activity = activity_of(20.0, (5.0, 5.1), (5.2, 9.0))
        parameters = {"min_silence_duration_ms": 0, "speech_pad_ms": 1_000, "max_speech_duration_s": 2.5}
        regions = times(find(20.0, activity, **parameters))
        assert regions[0] == pytest.approx((4.0, 6.1), abs=FRAME)
        assert all(stop > start for start, stop in regions)
        assert all(one[1] == next_one[0] for one, next_one in pairwise(regions))

    def test_speech_in_the_room_at_the_end_is_not_heard_twice(self) -> None:
        activity = activity_of(6.0, (5.0, 5.65), (5.8, 5.9))
        assert times(find(6.0, activity, min_silence_duration_ms=100)) == near((4.6, 6.0))

    def test_none_is_longer_than_a_window(self) -> None:
        activity = activity_of(100.0, (0.0, 100.0))
        regions = find(100.0, activity, max_speech_duration_s=80.0)
        assert max(region.samples for region in regions) <= WINDOW_SAMPLES


def random_activity(chance: random.Random, hop: int) -> tuple[float, Activity]:
    """Conversations of pauses and turns of any length, in which the windows do not quite agree."""
    seconds = chance.choice([chance.uniform(0.1, 12.0), chance.uniform(12.0, 200.0)])
    speech, now = [], 0.0
    while now < seconds:
        start = now + chance.choice([0.0, chance.uniform(0.0, 1.5), chance.uniform(0.0, 15.0)])
        now = start + chance.choice([chance.uniform(0.02, 3.0), chance.uniform(1.0, 80.0)])
        speech.append((start, now))
    activity = activity_of(seconds, *speech, hop=hop)
    noise = np.random.default_rng(chance.randrange(1 << 32)).random(activity.shape)
    return seconds, np.where(noise < chance.choice([0.0, 0.02, 0.2]), 1 - activity, activity).astype(np.uint8)


def speech_frames(seconds: float, activity: Activity, hop: int) -> NDArray[np.intp]:
    """Frames in which at least half of the windows that cover them hear anybody."""
    heard = np.zeros(first_frame(len(activity), hop) + FRAMES)
    covered = np.zeros_like(heard)
    for window, frames in enumerate(activity.any(axis=2)):
        at = first_frame(window, hop)
        heard[at : at + FRAMES] += frames
        covered[at : at + FRAMES] += 1
    frames = np.flatnonzero((covered > 0) & (2 * heard >= covered))
    return frames[frames + 1 <= seconds * FRAMES_A_SECOND]


def assert_in_order_and_all_heard(
    seconds: float, activity: Activity, regions: list[Region], hop: int
) -> None:
    edges = [edge for region in regions for edge in (region.start, region.stop)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= round(seconds * SAMPLE_RATE) for edge in edges)
    middles = (speech_frames(seconds, activity, hop) + 0.5) / FRAMES_A_SECOND * SAMPLE_RATE
    inside = [np.sum((region.start <= middles) & (middles < region.stop)) for region in regions]
    assert sum(inside) == len(middles)


@pytest.mark.parametrize("seed", range(48))
def test_any_parameters(seed: int) -> None:
    chance, hop = random.Random(seed), HOPS[seed % len(HOPS)]
    seconds, activity = random_activity(chance, hop)
    parameters = {
        "speech_pad_ms": chance.choice([None, 0, 1_000]),
        "max_speech_duration_s": chance.choice([None, 2.5, 29.0]),
        "min_silence_duration_ms": chance.choice([None, 0, 100, 3_000]),
    }
    regions = find(seconds, activity, hop=hop, **parameters)
    assert all(0 < region.samples <= WINDOW_SAMPLES for region in regions)
    assert_in_order_and_all_heard(seconds, activity, regions, hop)
    assert find(seconds, activity, [1] * len(activity), hop, **parameters) == regions


@pytest.mark.parametrize("seed", range(48))
def test_any_conversation(seed: int) -> None:
    chance, hop = random.Random(seed), HOPS[seed % len(HOPS)]
    seconds, activity = random_activity(chance, hop)
    regions = find(seconds, activity, hop=hop)
    assert all(0 < region.samples <= WINDOW_SAMPLES for region in regions)
    assert_in_order_and_all_heard(seconds, activity, regions, hop)

    # Spans bring windows in groups; what is found must not depend on their sizes.
    assert find(seconds, activity, [1] * len(activity), hop) == regions
    groups = []
    while sum(groups) < len(activity):
        groups.append(min(chance.randint(1, 30), len(activity) - sum(groups)))
    assert find(seconds, activity, groups, hop) == regions
