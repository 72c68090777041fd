"""Packing regions of speech into Whisper windows, and moving what was heard back."""

import random
from itertools import pairwise

import numpy as np
import pytest

from triologue.schema import AsrSegment, AsrWord, TimeInterval
from triologue_server.audio import SAMPLE_RATE
from triologue_server.conductor.speech import Region
from triologue_server.conductor.windows import Excerpt, WindowPacker, even_regions
from triologue_server.transcription.window import WINDOW_SAMPLES


def region(start: float, stop: float) -> Region:
    return Region(round(start * SAMPLE_RATE), round(stop * SAMPLE_RATE))


def interval(start: float, end: float) -> TimeInterval:
    return TimeInterval(start=start, end=end)


def word(start: float, end: float, text: str = " word") -> AsrWord:
    return AsrWord(word=text, time_interval=interval(start, end), alignment_confidence=0.5)


def segment(start: float, end: float, *words: AsrWord) -> AsrSegment:
    return AsrSegment(text=" text", time_interval=interval(start, end), confidence=0.5, words=list(words))


# 0 to 4 s of the window are 100 to 104 s of the recording, 4 to 10 s are 110 to 116 s.
WINDOW = Excerpt((region(100.0, 104.0), region(110.0, 116.0)))


def restored(item: AsrSegment) -> TimeInterval:
    (moved,) = WINDOW.restore([item])
    return moved.time_interval


def restored_word(start: float, end: float) -> TimeInterval:
    (moved,) = WINDOW.restore([segment(start, end, word(start, end))])
    return moved.words[0].time_interval


class TestPacker:
    def pack(self, *regions: Region) -> list[Excerpt]:
        packer = WindowPacker()
        return [*packer.add(regions), *packer.finish()]

    def test_nothing(self) -> None:
        assert self.pack() == []

    def test_regions_share_a_window(self) -> None:
        regions = (region(1, 11), region(15, 25), region(40, 50))
        assert self.pack(*regions) == [Excerpt(regions)]

    def test_full_window_takes_no_more(self) -> None:
        first, second = region(0, 30), Region(30 * SAMPLE_RATE, 30 * SAMPLE_RATE + 160)
        assert self.pack(first, second) == [Excerpt((first,)), Excerpt((second,))]

    def test_window_is_out_when_the_next_region_does_not_fit(self) -> None:
        packer = WindowPacker()
        assert list(packer.add([region(0, 20)])) == []
        assert list(packer.add([region(30, 41)])) == [Excerpt((region(0, 20),))]
        assert list(packer.finish()) == [Excerpt((region(30, 41),))]
        assert list(packer.finish()) == []

    def test_less_than_a_frame_is_no_window(self) -> None:
        assert self.pack(Region(0, 159)) == []
        assert self.pack(Region(0, 159), region(0, 30)) == [Excerpt((region(0, 30),))]
        parts = Region(0, 100), Region(200, 300)
        assert self.pack(*parts) == [Excerpt(parts)]

    @pytest.mark.parametrize("seed", range(5))
    def test_any_regions(self, seed: int) -> None:
        chance = random.Random(seed)
        regions, now = [], 0
        for _ in range(200):
            start = now + chance.randrange(1, 200_000)
            now = start + chance.choice([WINDOW_SAMPLES, chance.randint(160, WINDOW_SAMPLES), 160])
            regions.append(Region(start, now))
        windows = self.pack(*regions)
        assert [part for window in windows for part in window.regions] == regions
        sizes = [sum(part.samples for part in window.regions) for window in windows]
        assert max(sizes) <= WINDOW_SAMPLES
        # As full as they go: what the next window begins with would not have fitted.
        for (window, next_window), size in zip(pairwise(windows), sizes, strict=False):
            assert size + next_window.regions[0].samples > WINDOW_SAMPLES, window


def test_cut_joins_the_samples_of_the_regions() -> None:
    samples = np.arange(100, dtype=np.int16)
    assert Excerpt((Region(3, 5), Region(98, 100))).cut(samples).tolist() == [3, 4, 98, 99]


class TestEvenRegions:
    @pytest.mark.parametrize(
        ("samples", "expected"),
        [
            (1, [(0, 1)]),
            (480_000, [(0, 480_000)]),
            (480_001, [(0, 480_000), (480_000, 480_001)]),
            (1_000_000, [(0, 480_000), (480_000, 960_000), (960_000, 1_000_000)]),
        ],
    )
    def test_cover_the_recording(self, samples: int, expected: list[tuple[int, int]]) -> None:
        assert [(part.start, part.stop) for part in even_regions(samples)] == expected


class TestRestoreWords:
    def test_in_the_first_region(self) -> None:
        assert restored_word(1.0, 1.5) == interval(101.0, 101.5)

    def test_in_the_second_region(self) -> None:
        assert restored_word(5.0, 5.5) == interval(111.0, 111.5)

    def test_up_to_the_border(self) -> None:
        assert restored_word(3.5, 4.0) == interval(103.5, 104.0)

    def test_from_the_border(self) -> None:
        assert restored_word(4.0, 4.5) == interval(110.0, 110.5)

    def test_across_the_border_mostly_before_it(self) -> None:
        assert restored_word(3.5, 4.25) == interval(103.5, 104.0)

    def test_across_the_border_mostly_behind_it(self) -> None:
        assert restored_word(3.75, 4.5) == interval(110.0, 110.5)

    def test_past_the_end(self) -> None:
        assert restored_word(9.5, 10.5) == interval(115.5, 116.0)

    def test_keeps_everything_else(self) -> None:
        (moved,) = WINDOW.restore([segment(1.0, 2.0, word(1.0, 2.0, " Hello."))])
        assert moved == segment(101.0, 102.0, word(101.0, 102.0, " Hello."))


class TestRestoreSegments:
    def test_follows_its_words(self) -> None:
        """The segment's own times say something else: the words are what is known."""
        assert restored(segment(0.0, 9.0, word(1.0, 2.0), word(5.0, 6.0))) == interval(101.0, 112.0)

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            pytest.param(1.0, 2.0, (101.0, 102.0), id="in the first region"),
            pytest.param(5.0, 6.0, (111.0, 112.0), id="in the second region"),
            pytest.param(0.0, 4.0, (100.0, 104.0), id="ends on the border"),
            pytest.param(4.0, 10.0, (110.0, 116.0), id="starts on the border"),
            pytest.param(3.0, 6.0, (103.0, 112.0), id="across the border"),
            pytest.param(0.0, 10.0, (100.0, 116.0), id="the whole window"),
            pytest.param(9.0, 30.0, (115.0, 116.0), id="past the end"),
            pytest.param(2.0, 2.0, (102.0, 102.0), id="of no length"),
            pytest.param(0.0, 0.0, (100.0, 100.0), id="of no length at the start"),
            pytest.param(4.0, 4.0, (110.0, 110.0), id="of no length on the border"),
        ],
    )
    def test_without_words(self, start: float, end: float, expected: tuple[float, float]) -> None:
        assert restored(segment(start, end)) == interval(*expected)


@pytest.mark.parametrize("seed", range(20))
def test_restored_times_rise_and_stay_in_speech(seed: int) -> None:
    chance = random.Random(seed)
    regions, now = [], 0.0
    for _ in range(chance.randint(1, 8)):
        start = now + chance.uniform(0.01, 60.0)
        now = start + chance.uniform(0.8, 3.0)
        regions.append(region(start, now))
    heard = sum(part.samples for part in regions) / SAMPLE_RATE
    times = sorted(chance.uniform(0.0, heard + 0.5) for _ in range(60))
    words = [word(start, end) for start, end in pairwise(times)]
    segments = [segment(0.0, 0.0, *words[at : at + 7]) for at in range(0, len(words), 7)]

    restored = Excerpt(tuple(regions)).restore(segments)

    moved = [item.time_interval for part in restored for item in part.words]
    assert len(moved) == len(words)
    edges = [edge for item in moved for edge in (item.start, item.end)]
    assert edges == sorted(edges)
    for item in moved:
        assert any(
            part.start / SAMPLE_RATE - 0.001 <= item.start <= item.end <= part.stop / SAMPLE_RATE + 0.001
            for part in regions
        )


@pytest.mark.parametrize(
    ("clips", "expected"),
    [
        ((1.0, 3.0), [(1, 3)]),
        ((1.0, 3.0, 5.0), [(1, 3), (5, 35), (35, 65), (65, 70)]),
        ((0.0, 35.0, 40.0, 41.0), [(0, 30), (30, 35), (40, 41)]),
        ((60.0, 90.0), [(60, 70)]),
        ((80.0, 90.0), []),
    ],
)
def test_only_the_clips_are_cut(clips: tuple[float, ...], expected: list[tuple[int, int]]) -> None:
    seconds = [(start * SAMPLE_RATE, stop * SAMPLE_RATE) for start, stop in expected]
    assert [(region.start, region.stop) for region in even_regions(70 * SAMPLE_RATE, clips)] == seconds


@pytest.mark.parametrize(
    ("heard", "sample"), [(0.5, 100.5), (4.0, 104.0), (4.5, 110.5), (10.0, 116.0), (12.0, 116.0)]
)
def test_up_to_which_sample_the_recording_was_heard(heard: float, sample: float) -> None:
    assert WINDOW.sample_at(round(heard * SAMPLE_RATE)) == round(sample * SAMPLE_RATE)
