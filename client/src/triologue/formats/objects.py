"""Results as the objects of other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from triologue.schema.results import DiarizedResult, Result, TranscriptionResult

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyannote.core import Annotation


def to_annotation(result: DiarizedResult, recording: str | None = None) -> Annotation:
    """Return the turns as an annotation of pyannote's, each a track of its own.

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
    `confidence`, `speaker_confidence` and `overlapped`; turns have `speaker`. What is not known is missing.

    Raises:
        ImportError: pandas is not installed.
        ValueError: The result has no such rows.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise ImportError("a data frame needs pandas: pip install pandas") from error
    columns, values = _table(result, rows)
    return DataFrame(values, columns=["start", "end", *columns])


def _table(result: Result, rows: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    if rows == "turns" and isinstance(result, DiarizedResult):
        return ["speaker"], [(*_times(turn), turn.speaker) for turn in result.turns]
    if rows == "segments" and isinstance(result, TranscriptionResult):
        return ["text", "speaker", "confidence", "no_speech_confidence"], [
            (*_times(said), said.text.strip(), said.speaker, said.confidence, said.no_speech_confidence)
            for said in result.segments
        ]
    if rows == "words" and isinstance(result, TranscriptionResult):
        return ["word", "speaker", "confidence", "speaker_confidence", "overlapped"], [
            (
                *_times(word),
                word.word.strip(),
                word.speaker,
                word.alignment_confidence,
                word.speaker_confidence,
                word.overlapped,
            )
            for word in result.words
        ]
    raise ValueError(f"rows: a {type(result).__name__} has no {rows!r}")


def _times(timed: Any) -> tuple[float, float]:
    return timed.time_interval.start, timed.time_interval.end
