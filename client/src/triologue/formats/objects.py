"""Results as the objects of other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from triologue.schema.asr import AsrSegment, AsrWord
from triologue.schema.results import DiarizedResult, Result, TranscriptionResult

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyannote.core import Annotation


def to_annotation(result: DiarizedResult, recording: str | None = None) -> Annotation:
    """Return the turns as an annotation of pyannote's, each a track of its own, but for those of no length.

    Raises:
        ImportError: pyannote.core is not installed.
    """
    try:
        from pyannote.core import Annotation, Segment
    except ImportError as error:
        raise ImportError("an annotation needs pyannote.core: pip install pyannote.core") from error
    annotation = Annotation(uri=recording)
    for number, turn in enumerate(result.turns):
        annotation[Segment(turn.time_interval.start, turn.time_interval.end), number] = turn.speaker
    return annotation


def to_dataframe(result: Result, rows: Literal["segments", "words", "turns"]) -> DataFrame:
    """Return a table with `start` and `end` in seconds and what else is known of each segment, word or turn.

    Segments have `text`, `speaker`, `confidence` and `no_speech_confidence`; words have `word`, `speaker`,
    `confidence`, `speaker_confidence` and `overlapped`; turns have `speaker`. A number that is not known is
    NaN, a speaker `None`.

    Raises:
        ImportError: pandas is not installed.
        ValueError: The result has no such rows.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise ImportError("a data frame needs pandas: pip install pandas") from error
    types, values = _table(result, rows)
    return DataFrame(values, columns=list(types)).astype(types)


_NUMBER, _TEXT = "float64", "object"
_TIMES = {"start": _NUMBER, "end": _NUMBER}
_SEGMENTS = {
    **_TIMES,
    "text": _TEXT,
    "speaker": _TEXT,
    "confidence": _NUMBER,
    "no_speech_confidence": _NUMBER,
}
_WORDS = {
    **_TIMES,
    "word": _TEXT,
    "speaker": _TEXT,
    "confidence": _NUMBER,
    "speaker_confidence": _NUMBER,
    "overlapped": "bool",
}
_TURNS = {**_TIMES, "speaker": _TEXT}


def _table(result: Result, rows: str) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    if rows == "turns" and isinstance(result, DiarizedResult):
        return _TURNS, [(*_times(turn), turn.speaker) for turn in result.turns]
    if rows == "segments" and isinstance(result, TranscriptionResult):
        return _SEGMENTS, [
            (*_times(said), said.text.strip(), said.speaker, said.confidence, said.no_speech_confidence)
            for said in result.segments
        ]
    if rows == "words" and isinstance(result, TranscriptionResult):
        return _WORDS, [
            (*_times(word), *_about(word, said)) for said in result.segments for word in said.words
        ]
    raise ValueError(f"rows: a {type(result).__name__} has no {rows!r}")


def _about(word: AsrWord, said: AsrSegment) -> tuple[Any, ...]:
    speaker = said.speaker if word.speaker is None else word.speaker
    return (
        word.word.strip(),
        speaker,
        word.alignment_confidence,
        word.speaker_confidence,
        word.overlapped,
    )


def _times(timed: Any) -> tuple[float, float]:
    return timed.time_interval.start, timed.time_interval.end
