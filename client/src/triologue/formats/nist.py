"""The line formats of NIST's scoring tools: turns (RTTM), words (CTM) and segments (STM).

Blanks separate fields: those in the names of speakers and recordings become underscores. Lines that begin
with ";;" are comments to the tools, so a name does not begin with a semicolon either. pyannote reads fields
as those of CSV, so a double quotation mark becomes a single one.
"""

import re

from triologue.formats.lines import lines
from triologue.schema.asr import TimeInterval
from triologue.schema.results import DiarizedResult, Result, TranscriptionResult

UNKNOWN = "unknown"
"""The speaker of what nobody is known to have said."""


def to_rttm(result: Result, recording: str) -> str:
    """Write one line a turn, such as `SPEAKER meeting 1 6.690 0.430 <NA> <NA> SPEAKER_00 <NA> <NA>`.

    A transcript without speakers has no turns, and nothing is written.
    """
    turns = result.turns if isinstance(result, DiarizedResult) else []
    return "".join(
        f"SPEAKER {_field(recording)} 1 {_begin_and_length(turn.time_interval)} "
        f"<NA> <NA> {_field(turn.speaker)} <NA> <NA>\n"
        for turn in turns
    )


def to_ctm(result: TranscriptionResult, recording: str) -> str:
    """Write one line a word, in order of time, such as `meeting 1 6.690 0.430 Hello. 0.981`.

    The last field is the confidence in the word.

    Raises:
        ValueError: A segment has text and no words.
    """
    for segment in result.segments:
        if segment.text.strip() and not any(word.word.strip() for word in segment.words):
            raise ValueError("CTM is made of words: ask for word_timestamps")
    words = [word for word in result.words if word.word.strip()]
    return "".join(
        f"{_field(recording)} 1 {_begin_and_length(word.time_interval)} "
        f"{_joined(word.word.strip())} {word.alignment_confidence:.3f}\n"
        for word in sorted(words, key=lambda word: word.time_interval.start)
    )


def to_stm(result: TranscriptionResult, recording: str) -> str:
    """Write one line a segment, in order of time, such as `meeting 1 SPEAKER_00 6.690 7.120 Hello.`.

    The speaker is "unknown" where it is not known. The label, which is optional, is left out, since meeteval
    takes it for a word. It is `<NA>` where the text itself begins like one: sclite would take that for it.
    """
    return "".join(
        f"{_field(recording)} 1 {_field(line.speaker or UNKNOWN)} "
        f"{line.interval.start:.3f} {line.interval.end:.3f} {_labelled(line.text)}\n"
        for line in sorted(lines(result), key=lambda line: line.interval.start)
    )


def _begin_and_length(interval: TimeInterval) -> str:
    return f"{interval.start:.3f} {max(0.0, interval.duration):.3f}"


def _field(name: str) -> str:
    written = _joined(name).replace('"', "'") or "_"
    return f"_{written[1:]}" if written.startswith(";") else written


def _joined(text: str) -> str:
    return re.sub(r"\s", "_", text)


def _labelled(text: str) -> str:
    return f"<NA> {text}" if text.startswith("<") else text
