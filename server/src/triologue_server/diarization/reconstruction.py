"""From who is active in each window to who speaks when in the recording.

This is the reconstruction of pyannote.audio's `SpeakerDiarization` (H. Bredin, "pyannote.audio 2.1 speaker
diarization pipeline", Interspeech 2023) without its arrays of windows x frames x speakers, which take a
gigabyte for some hours of audio: windows are added up one after the other.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from triologue_server.audio import SAMPLE_RATE
from triologue_server.diarization.clustering import NOBODY
from triologue_server.diarization.spans import FRAME_SAMPLES, FRAME_STEP_SAMPLES, FRAMES, WINDOW_SAMPLES

Turn = tuple[float, float, int]
"""Start and end in seconds, and who speaks."""


class Reconstruction:
    """Adds up windows, and says who speaks when.

    Args:
        activity: (windows, `FRAMES`, speakers), 0 or 1.
        speakers: (windows, speakers): indices of voices, or `NOBODY`.
        hop: From one window to the next, in samples.
        most: Bound on the number of speakers at one time, if there is one.
    """

    def __init__(
        self, activity: NDArray[np.uint8], speakers: NDArray[np.int64], hop: int, most: int | None = None
    ) -> None:
        frames = _first_frame(WINDOW_SAMPLES + (len(activity) - 1) * hop) + 1
        votes = np.zeros((frames, speakers.max() + 1), np.uint8)  # windows that hear a voice
        heard, windows = np.zeros((2, frames), np.float32)
        for number, (active, voices) in enumerate(zip(activity, speakers, strict=True)):
            start = _first_frame(number * hop)
            under = slice(start, start + FRAMES)
            heard[under] += active.sum(axis=1)
            windows[under] += 1
            for voice in np.unique(voices[voices != NOBODY]):
                votes[under, voice] += active[:, voices == voice].max(axis=1)
        self._counts = np.rint(heard / np.maximum(windows, 1)).astype(np.uint8)
        if most is not None:
            self._counts = np.minimum(self._counts, most)
        # Where more people speak at once than there are voices, somebody is heard who has none.
        unheard = max(0, int(self._counts.max()) - votes.shape[1])
        self._votes = np.pad(votes, ((0, 0), (0, unheard)))

    def turns(self, shortest_gap: float = 0.0) -> list[Turn]:
        """Return the turns in order of time; those of different speakers may overlap.

        Args:
            shortest_gap: A speaker who pauses for less than this, in seconds, is still speaking.
        """
        return self._turns(self._counts, shortest_gap)

    def exclusive_turns(self, shortest_gap: float = 0.0) -> list[Turn]:
        """Return turns of which no two overlap, but where gaps are filled: the likeliest speaker's."""
        return self._turns(np.minimum(self._counts, 1), shortest_gap)

    def _turns(self, counts: NDArray[np.uint8], shortest_gap: float) -> list[Turn]:
        turns = [
            (start, end, voice)
            for voice, active in enumerate(self._active(counts).T)
            for start, end in _joined(_runs(active), shortest_gap)
        ]
        return sorted(turns)

    def _active(self, counts: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Choose as many speakers of each frame as there are: those most windows hear; (frames, voices)."""
        order = np.argsort(-self._votes.astype(np.int8), axis=1, kind="stable")
        active = np.zeros(self._votes.shape, bool)
        np.put_along_axis(active, order, np.arange(self._votes.shape[1]) < counts[:, None], axis=1)
        return active


def _first_frame(samples: int) -> int:
    return round(samples / FRAME_STEP_SAMPLES)


def _runs(active: NDArray[np.bool_]) -> Iterator[tuple[float, float]]:
    """Yield start and end, in seconds, of each run; a frame stands for its middle."""
    changes = np.flatnonzero(np.diff(active, prepend=False, append=False))
    times = (np.minimum(changes, len(active) - 1) * FRAME_STEP_SAMPLES + FRAME_SAMPLES / 2) / SAMPLE_RATE
    yield from zip(times[::2].tolist(), times[1::2].tolist(), strict=True)


def _joined(runs: Iterator[tuple[float, float]], shortest_gap: float) -> Iterator[tuple[float, float]]:
    start = end = None
    for next_start, next_end in runs:
        if start is None or end is None:
            start = next_start
        elif next_start - end >= shortest_gap:
            yield start, end
            start = next_start
        end = next_end
    if start is not None and end is not None:
        yield start, end
