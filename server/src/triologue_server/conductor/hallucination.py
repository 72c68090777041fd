"""Telling text that Whisper made up for silence, by the words it is made of.

The measures and thresholds are those that faster-whisper and openai-whisper use for
`hallucination_silence_threshold`.
"""

from collections.abc import Sequence

from triologue_server.transcription.segments import RawSegment
from triologue_server.transcription.untimed import RawWord
from triologue_server.transcription.window import FRAMES_A_SECOND, WINDOW_FRAMES

_PUNCTUATION = "\"'“¿([{-\"'.。,，!！?？:：”)]}、"
_LOOKED_AT = 8  # words at the beginning of a segment
_IMPROBABLE = 0.15
_SHORT_SECONDS, _LONG_SECONDS = 0.133, 2.0
_SHORT_WEIGHT = 15.0  # of a second that a word is too short
_BORDER_SECONDS = 2.0  # so close to a border of its window a segment counts as next to silence


def silence_before_made_up(segments: Sequence[RawSegment], start: int) -> float:
    """Return the seconds of silence a window begins with, if what follows looks made up, else 0.0.

    Args:
        segments: Of the window, with their words, in the time of the recording.
        start: First frame of the window.
    """
    first = _first_with_words(segments)
    if first is None or not _looks_made_up(first):
        return 0.0
    seconds: float = first["start"] - start / FRAMES_A_SECOND
    return seconds


def find_made_up(
    segments: Sequence[RawSegment], threshold: float, start: int, frames: int, last_speech: float
) -> int | None:
    """Return the index of the first segment that looks made up with silence around it, if there is one.

    Args:
        segments: Of the window, with their words, in the time of the recording.
        threshold: How long silence must be to count, in seconds.
        start: First frame of the window.
        frames: Length of the window.
        last_speech: When somebody was last heard before it, in seconds.
    """
    for at, segment in enumerate(segments):
        if not segment["words"]:
            continue
        if _looks_made_up(segment) and _is_amid_silence(segments, at, threshold, start, frames, last_speech):
            return at
        last_speech = segment["end"]
    return None


def _is_amid_silence(
    segments: Sequence[RawSegment], at: int, threshold: float, start: int, frames: int, last_speech: float
) -> bool:
    segment = segments[at]
    following = _first_with_words(segments[at + 1 :])
    next_start = following["words"][0]["start"] if following else (start + frames) / FRAMES_A_SECOND
    silence_before = (
        segment["start"] - last_speech > threshold
        or segment["start"] < threshold
        or segment["start"] - start / FRAMES_A_SECOND < _BORDER_SECONDS
    )
    silence_after = (
        next_start - segment["end"] > threshold
        or (following is not None and _looks_made_up(following))
        or (start + WINDOW_FRAMES) / FRAMES_A_SECOND - segment["end"] < _BORDER_SECONDS
    )
    return silence_before and silence_after


def _first_with_words(segments: Sequence[RawSegment]) -> RawSegment | None:
    return next((segment for segment in segments if segment["words"]), None)


def _looks_made_up(segment: RawSegment) -> bool:
    """Say whether a segment's first words are too short, too long or too improbable."""
    words = [word for word in segment["words"] if word["word"] not in _PUNCTUATION][:_LOOKED_AT]
    oddness = sum(_oddness(word) for word in words)
    return oddness >= 3 or oddness + 0.01 >= len(words)


def _oddness(word: RawWord) -> float:
    seconds: float = word["end"] - word["start"]
    oddness: float = word["probability"] < _IMPROBABLE
    oddness += max(0.0, _SHORT_SECONDS - seconds) * _SHORT_WEIGHT
    return oddness + max(0.0, seconds - _LONG_SECONDS)
