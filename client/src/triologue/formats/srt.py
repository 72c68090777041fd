"""SubRip subtitles."""

from triologue.formats.lines import lines, timestamp
from triologue.schema import DiarizationResult, TranscriptionResult


def to_srt(result: TranscriptionResult | DiarizationResult) -> str:
    """Write one subtitle a segment, `SPEAKER_00: Hello.`; those of a diarization show the speaker alone."""
    cues = []
    for number, line in enumerate(lines(result), start=1):
        start, end = timestamp(line.interval.start, ","), timestamp(line.interval.end, ",")
        said = ": ".join(part for part in (line.speaker, line.text) if part)
        cues.append(f"{number}\n{start} --> {end}\n{said}\n")
    return "\n".join(cues)
