"""Tab-separated values."""

import csv
import io

from triologue.formats.lines import lines
from triologue.schema.results import DiarizedResult, Result, TranscriptionResult


def to_tsv(result: Result) -> str:
    """Write a table of segments or turns, with their starts and ends in whole milliseconds.

    The first three columns are those of openai-whisper: `start`, `end` and `text`. Where speakers are known,
    `speaker` follows; turns have no `text`. Values are quoted as spreadsheets expect it.
    """
    has_text, has_speakers = isinstance(result, TranscriptionResult), isinstance(result, DiarizedResult)
    table = io.StringIO()
    writer = csv.writer(table, "excel-tab", lineterminator="\n")
    writer.writerow(["start", "end", *(["text"] if has_text else []), *(["speaker"] if has_speakers else [])])
    for line in lines(result):
        times = [round(seconds * 1000) for seconds in (line.interval.start, line.interval.end)]
        text = [line.text] if has_text else []
        writer.writerow([*times, *text, *([line.speaker or ""] if has_speakers else [])])
    return table.getvalue()
