"""Where speech is: regions cut out of the segmentation network's answers as they come in.

Overlapping windows each say who is active; a frame counts as speech when at least half of the windows that
cover it hear anybody. Regions get room at both ends, so that no first or last sound is lost.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triologue.schema import VadParameters
from triologue_server.audio import SAMPLE_RATE
from triologue_server.diarization.spans import FRAMES, WINDOW_SECONDS
from triologue_server.transcription.window import WINDOW_SECONDS as LONGEST_SECONDS

FRAMES_A_SECOND = FRAMES / WINDOW_SECONDS
_THRESHOLD = 0.5
_PAD_MS = 400  # what faster-whisper leaves around speech
_SMOOTHING_SECONDS = 0.2  # a cut is looked for in activity averaged over this much


@dataclass(frozen=True)
class Region:
    """A stretch of a recording with speech in it."""

    start: int
    """First sample."""
    stop: int
    """One past the last sample."""

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.stop - self.start


class SpeechFinder:
    """Finds the regions with speech of a recording, none longer than a Whisper window.

    Args:
        num_samples: Length of the recording.
        hop: From one window of the segmentation network to the next, in samples.
        parameters: What counts as speech.
    """

    def __init__(self, num_samples: int, hop: int, parameters: VadParameters | None = None) -> None:
        given = parameters or VadParameters()
        self._num_samples = num_samples
        self._hop_frames = hop / SAMPLE_RATE * FRAMES_A_SECOND
        self._frames = math.ceil(num_samples / SAMPLE_RATE * FRAMES_A_SECOND)
        self._threshold = given.threshold or _THRESHOLD
        self._neg_threshold = given.neg_threshold or self._threshold
        self._pad = _frames(_PAD_MS if given.speech_pad_ms is None else given.speech_pad_ms)
        # By default silences shorter than the room at both of their ends do not divide.
        silence = given.min_silence_duration_ms
        self._gap = 2 * self._pad if silence is None else _frames(silence)
        self._shortest = _frames(given.min_speech_duration_ms or 0)
        longest_ms = min(LONGEST_SECONDS, given.max_speech_duration_s or math.inf) * 1000
        self._longest = max(int(longest_ms * FRAMES_A_SECOND / 1000) - 2 * self._pad, _frames(1000))
        self._window = 0
        self._votes = np.zeros((2, FRAMES))  # windows that hear speech, windows in all; from `_first` on
        self._first = 0  # frame of the recording that the first column of `_votes` is
        self._scores = np.zeros(0)  # share of windows that hear speech, of frames not yet in a region
        self._scored_to = 0  # frame one past the last of `_scores`
        self._taken_to = 0  # sample one past the last region

    def add(self, activity: NDArray[np.uint8]) -> Iterator[Region]:
        """Take the activity of the next windows, (windows, frames, speakers); yield the final regions."""
        for window in activity:
            self._vote(window.any(axis=1))
        # Windows still to come start here; what lies before them is settled.
        yield from self._settle(round(self._window * self._hop_frames))

    def finish(self) -> Iterator[Region]:
        """Yield the regions left at the end of the recording."""
        yield from self._settle(self._first + self._votes.shape[1], last=True)

    def _vote(self, active: NDArray[np.bool_]) -> None:
        at = round(self._window * self._hop_frames) - self._first
        self._window += 1
        missing = at + FRAMES - self._votes.shape[1]
        if missing > 0:
            self._votes = np.pad(self._votes, ((0, 0), (0, missing)))
        self._votes[0, at : at + FRAMES] += active
        self._votes[1, at : at + FRAMES] += 1

    def _settle(self, stop: int, last: bool = False) -> Iterator[Region]:
        # The last window reaches past the end of the recording, into what is not there.
        stop = min(stop, self._frames)
        settled = self._votes[:, : stop - self._first]
        self._votes = self._votes[:, stop - self._first :]
        self._first = stop
        scores = settled[0] / np.maximum(settled[1], 1)
        self._scores = np.concatenate([self._scores, scores])
        self._scored_to = stop
        yield from (region for region in self._cut(last) if region.samples > 0)

    def _cut(self, last: bool) -> Iterator[Region]:
        """Yield regions from the front of the scores; keep what may still grow."""
        while True:
            speech = np.flatnonzero(self._is_speech())
            if len(speech) == 0:
                self._drop(max(0, len(self._scores) - self._pad))
                return
            ends = np.flatnonzero(np.diff(speech) > max(1, self._gap))
            begin = speech[0]
            end = (speech[ends[0]] if len(ends) else speech[-1]) + 1
            if end - begin > self._longest:
                end = begin + self._quietest(self._scores[begin : begin + self._longest])
                yield self._region(begin - self._pad, end)
            elif last or len(self._scores) - end > self._gap:
                if end - begin >= self._shortest:
                    yield self._region(begin - self._pad, end + self._pad)
            else:
                self._drop(max(0, begin - self._pad))
                return
            self._drop(end)

    def _is_speech(self) -> NDArray[np.bool_]:
        """Say for each frame whether it is speech, which begins at one threshold and ends at a lower one."""
        above, below = self._scores >= self._threshold, self._scores < self._neg_threshold
        decided = np.maximum.accumulate(np.where(above | below, np.arange(len(above)), 0))
        speech: NDArray[np.bool_] = above[decided]
        return speech

    def _drop(self, frames: int) -> None:
        self._scores = self._scores[frames:]

    def _region(self, begin: int, end: int) -> Region:
        offset = self._scored_to - len(self._scores)
        samples_a_frame = SAMPLE_RATE / FRAMES_A_SECOND
        start = max(self._taken_to, round((offset + begin) * samples_a_frame))
        # Speech that lies in the room behind the last region is in it already.
        self._taken_to = max(start, min(self._num_samples, round((offset + end) * samples_a_frame)))
        return Region(start, self._taken_to)

    def _quietest(self, scores: NDArray[np.float64]) -> int:
        """Return the frame in the second half at which a cut does least harm, the last among equals."""
        width = round(_SMOOTHING_SECONDS * FRAMES_A_SECOND)
        smooth = np.convolve(scores, np.ones(width) / width, mode="same")
        half = len(scores) // 2
        candidates = smooth[half : len(scores) - width]
        return half + len(candidates) - 1 - int(np.argmin(candidates[::-1].round(6)))


def _frames(milliseconds: float) -> int:
    return round(milliseconds * FRAMES_A_SECOND / 1000)
