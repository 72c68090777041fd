"""Cutting decoded tokens into segments, and aligning their words to the audio.

Both are faster-whisper's. Alignment runs the network over the whole batch at once; what follows from it is
worked out window by window, so that no window depends on its neighbours in the batch.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_ctranslate2_storage
from numpy.typing import NDArray

from triologue.schema import WhisperParams

RawSegment = dict[str, Any]
"""A segment as faster-whisper's functions hand it around: `start`, `end`, `tokens`, later `words`."""

RawWord = dict[str, Any]
"""A word as they do: `word`, `start`, `end`, `probability`."""


def cut_segments(
    model: WhisperModel, tokenizer: Tokenizer, tokens: list[int], duration: float
) -> list[RawSegment]:
    """Cut a window's tokens at its timestamps.

    Args:
        model: The Whisper model.
        tokenizer: Of the window's language.
        tokens: Text and timestamp tokens.
        duration: Length of the window in seconds.
    """
    segments: list[RawSegment]
    segments, _, _ = model._split_segments_by_timestamps(
        tokenizer, tokens, 0.0, _frames(model, duration), duration, 0
    )
    # The library leaves text behind the last pair of timestamps to the next window; here there is none.
    rest = tokens[sum(len(segment["tokens"]) for segment in segments) :]
    if any(token < tokenizer.eot for token in rest):
        segments.append({"seek": 0, "start": segments[-1]["end"], "end": duration, "tokens": rest})
    return segments


def align_words(
    model: WhisperModel,
    tokenizer: Tokenizer,
    encoded: NDArray[np.floating[Any]],
    windows: Sequence[list[RawSegment]],
    durations: Sequence[float],
    options: WhisperParams,
) -> None:
    """Give each segment its `words`, and the times that follow from them.

    Args:
        model: The Whisper model.
        tokenizer: Of the windows' language.
        encoded: (windows, frames, features), the encoder's output.
        windows: The segments of each window; changed in place.
        durations: Length of each window in seconds.
        options: What punctuation belongs to which word.
    """
    spoken = [at for at, segments in enumerate(windows) if segments]
    if not spoken:
        return
    text = [
        [token for segment in windows[at] for token in segment["tokens"] if token < tokenizer.eot]
        for at in spoken
    ]
    frames = [_frames(model, durations[at]) for at in spoken]
    alignments = model.find_alignment(tokenizer, text, get_ctranslate2_storage(encoded[spoken]), frames)
    for at, alignment in zip(spoken, alignments, strict=True):
        WhisperModel.add_word_timestamps(
            _Aligned(model, alignment),
            [windows[at]],
            tokenizer,
            None,
            frames,
            options.prepend_punctuations,
            options.append_punctuations,
            0.0,
        )


class _Aligned:
    """Stands in for the model in `add_word_timestamps`, with the one alignment already made."""

    def __init__(self, model: WhisperModel, alignment: list[dict[str, Any]]) -> None:
        self.frames_per_second = model.frames_per_second
        self._alignment = alignment

    def find_alignment(self, *_: object) -> list[list[dict[str, Any]]]:
        return [self._alignment]


def _frames(model: WhisperModel, duration: float) -> int:
    return min(math.ceil(duration * model.frames_per_second), model.feature_extractor.nb_max_frames)
