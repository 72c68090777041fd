"""From what faster-whisper's functions hand around to the schema's segments and words."""

import math
from collections.abc import Iterable, Sequence

from faster_whisper.tokenizer import Tokenizer

from triologue.schema import AsrSegment, AsrWord, TimeInterval, WhisperParams
from triologue.sentences import split_sentences
from triologue_server.transcription.alignment import RawSegment, RawWord
from triologue_server.transcription.decoding import Decoded


def aligns_words(options: WhisperParams) -> bool:
    """Say whether the words of a window are aligned: they are wanted, or time its sentences."""
    return options.word_timestamps or options.without_timestamps is None


def to_schema(
    segments: Sequence[RawSegment],
    decoded: Decoded,
    tokenizer: Tokenizer,
    duration: float,
    options: WhisperParams,
) -> Iterable[AsrSegment]:
    """Turn raw segments into the schema's, with times that rise and stay inside the window."""
    clock = _Clock(duration)
    aligned = any(segment.get("words") for segment in segments)
    for segment in segments:
        text = tokenizer.decode([token for token in segment["tokens"] if token < tokenizer.eot])
        if not text.strip():
            continue
        if not aligns_words(options):
            yield _segment(text, [], clock.interval(segment["start"], segment["end"]), decoded)
            continue
        # Where nothing could be aligned, a text is one word as long as its segment: nothing said is lost. A
        # segment without words among others with them was heard out in the word that crosses its border.
        words = _words(segment.get("words", []) if aligned else [_as_word(segment, text, decoded)], clock)
        if not words:
            continue
        # Without timestamps of Whisper's own, sentences are the only segments there are.
        for part in [words] if options.without_timestamps is False else split_sentences(words):
            interval = TimeInterval(start=part[0].time_interval.start, end=part[-1].time_interval.end)
            text = "".join(word.word for word in part)
            yield _segment(text, part if options.word_timestamps else [], interval, decoded)


def _segment(text: str, words: list[AsrWord], interval: TimeInterval, decoded: Decoded) -> AsrSegment:
    return AsrSegment(
        text=text,
        time_interval=interval,
        confidence=min(1.0, math.exp(decoded.avg_logprob)),
        no_speech_confidence=min(1.0, max(0.0, decoded.no_speech_prob)),
        words=words,
    )


def _as_word(segment: RawSegment, text: str, decoded: Decoded) -> RawWord:
    probability = math.exp(decoded.avg_logprob)
    return {"word": text, "start": segment["start"], "end": segment["end"], "probability": probability}


def _words(raw: Sequence[RawWord], clock: "_Clock") -> list[AsrWord]:
    # An end may overshoot: moved to the recording's time, it must not fall behind the next word.
    next_starts = [*(word["start"] for word in raw[1:]), math.inf][: len(raw)]
    return [
        AsrWord(
            word=word["word"],
            time_interval=clock.interval(word["start"], min(word["end"], next_start)),
            alignment_confidence=min(1.0, max(0.0, float(word["probability"]))),
        )
        for word, next_start in zip(raw, next_starts, strict=True)
    ]


class _Clock:
    """Hands out intervals that never run backwards nor past the end of the window."""

    def __init__(self, duration: float) -> None:
        self._now, self._duration = 0.0, duration

    def interval(self, start: float, end: float) -> TimeInterval:
        start = min(max(float(start), self._now), self._duration)
        end = min(max(float(end), start), self._duration)
        self._now = start
        return TimeInterval(start=round(start, 3), end=round(end, 3))
