"""From hypotheses of windows to the schema's segments and words.

Cutting at timestamps and the last corrections of word times are faster-whisper's.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from triologue.schema import AsrSegment, AsrWord, TimeInterval, WhisperParams
from triologue.sentences import split_sentences
from triologue_server.transcription.untimed import RawWord, time_untimed
from triologue_server.transcription.window import FRAMES_A_SECOND, Hypothesis

RawSegment = dict[str, Any]
"""A segment as faster-whisper's functions hand it around: `start`, `end`, `tokens`, later `words`."""


def cut(
    tokenizer: Tokenizer, hypothesis: Hypothesis, start: int, frames: int
) -> tuple[list[RawSegment], int, bool]:
    """Cut a window's tokens at its timestamps.

    Args:
        tokenizer: Of the model.
        hypothesis: What the window says.
        start: Frame of the recording that the window begins at.
        frames: Length of the window in frames.

    Returns:
        The segments in the time of the recording; the frame that the next window begins at, if windows follow
        each other's timestamps; whether Whisper says that nothing follows the last timestamp.
    """
    segments: tuple[list[RawSegment], int, bool] = WhisperModel._split_segments_by_timestamps(
        _Times(hypothesis),
        tokenizer,
        hypothesis.tokens,
        start / FRAMES_A_SECOND,
        frames,
        frames / FRAMES_A_SECOND,
        start,
    )
    return segments


def time_words(
    tokenizer: Tokenizer,
    hypothesis: Hypothesis,
    segments: list[RawSegment],
    options: WhisperParams,
    last_speech: float = 0.0,
) -> None:
    """Give each segment its `words`, and the times that follow from them.

    Args:
        tokenizer: Of the model.
        hypothesis: What the window says, its words aligned.
        segments: Of that window; changed in place.
        options: What punctuation belongs to which word.
        last_speech: When somebody was last heard before the window, in seconds.
    """
    WhisperModel.add_word_timestamps(
        _Times(hypothesis),
        [segments],
        tokenizer,
        None,
        None,
        options.prepend_punctuations,
        options.append_punctuations,
        last_speech,
    )


class _Times:
    """Stands in for the model, with the one alignment already made."""

    frames_per_second = FRAMES_A_SECOND
    time_precision = 0.02
    input_stride = 2

    def __init__(self, hypothesis: Hypothesis) -> None:
        self._hypothesis = hypothesis

    def find_alignment(self, *_: object) -> list[list[RawWord]]:
        return [[word.model_dump() for word in self._hypothesis.words]]


class Clock:
    """Hands out intervals that never run backwards nor past an end.

    Args:
        end: Of the window or recording, in seconds.
    """

    def __init__(self, end: float) -> None:
        self._now, self._end = 0.0, end

    def interval(self, start: float, end: float) -> TimeInterval:
        """Return the part of an interval, in seconds, that is not before the last one's start."""
        start = min(max(float(start), self._now), self._end)
        end = min(max(float(end), start), self._end)
        self._now = start
        return TimeInterval(start=round(start, 3), end=round(end, 3))


def aligns_words(options: WhisperParams) -> bool:
    """Say whether the words of a batched window are aligned: they are wanted, or time its sentences."""
    return options.word_timestamps or options.without_timestamps is None


def window_segments(
    tokenizer: Tokenizer, hypothesis: Hypothesis, frames: int, options: WhisperParams
) -> list[AsrSegment]:
    """Return the segments of a window that stands for itself, in seconds from its start.

    Args:
        tokenizer: Of the model.
        hypothesis: What the window says; its words are aligned if `aligns_words(options)`.
        frames: Length of the window in frames.
        options: What the caller wants.
    """
    if hypothesis.is_silence(options):
        return []
    segments, _, _ = cut(tokenizer, hypothesis, 0, frames)
    # The library leaves text behind the last pair of timestamps to the next window; here there is none.
    rest = hypothesis.tokens[sum(len(segment["tokens"]) for segment in segments) :]
    duration = frames / FRAMES_A_SECOND
    if any(token < tokenizer.eot for token in rest):
        segments.append({"seek": 0, "start": segments[-1]["end"], "end": duration, "tokens": rest})
    if aligns_words(options):
        time_words(tokenizer, hypothesis, segments, options)
    return list(_to_schema(tokenizer, hypothesis, segments, duration, options))


def _to_schema(
    tokenizer: Tokenizer,
    hypothesis: Hypothesis,
    segments: Sequence[RawSegment],
    duration: float,
    options: WhisperParams,
) -> Iterable[AsrSegment]:
    clock = Clock(duration)
    for segment in segments:
        text = tokenizer.decode(segment["tokens"])
        if not text.strip():
            continue
        if not aligns_words(options):
            yield to_segment(text, [], clock.interval(segment["start"], segment["end"]), hypothesis)
            continue
        # A segment without words was heard out in the word that crosses its border.
        if not (words := to_words(segment["words"], clock)):
            continue
        # Without timestamps of Whisper's own, sentences are the only segments there are.
        for part in [words] if options.without_timestamps is False else split_sentences(words):
            interval = TimeInterval(start=part[0].time_interval.start, end=part[-1].time_interval.end)
            text = "".join(word.word for word in part)
            yield to_segment(text, part if options.word_timestamps else [], interval, hypothesis)


def to_segment(text: str, words: list[AsrWord], interval: TimeInterval, hypothesis: Hypothesis) -> AsrSegment:
    """Return a segment of the schema, with the confidences of its window."""
    return AsrSegment(
        text=text,
        time_interval=interval,
        confidence=min(1.0, math.exp(hypothesis.avg_logprob)),
        no_speech_confidence=min(1.0, max(0.0, hypothesis.no_speech_prob)),
        words=words,
    )


def to_words(raw: Sequence[RawWord], clock: Clock) -> list[AsrWord]:
    """Return words of the schema, none of which reaches into the next."""
    raw = time_untimed(raw)
    next_starts = [*(word["start"] for word in raw[1:]), math.inf][: len(raw)]
    return [
        AsrWord(
            word=word["word"],
            time_interval=clock.interval(word["start"], min(word["end"], next_start)),
            alignment_confidence=min(1.0, max(0.0, float(word["probability"]))),
        )
        for word, next_start in zip(raw, next_starts, strict=True)
    ]
