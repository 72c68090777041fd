"""Plain text for people to read."""

from triologue.formats.lines import lines, timestamp
from triologue.schema.results import DiarizedResult, Result, TranscriptionResult


def to_txt(result: Result) -> str:
    """Write one line a segment or turn, such as `[00:00:06.690 → 00:00:07.120] SPEAKER_00  Hello`."""
    written = []
    for line in lines(result):
        start, end = timestamp(line.interval.start, "."), timestamp(line.interval.end, ".")
        said = "  ".join(part for part in (line.speaker, line.text) if part)
        written.append(f"[{start} → {end}] {said}\n")
    return "".join(written)


def summarize(result: Result) -> str:
    """Return one line without a line break: language, length, processing time, RTFx, number of speakers."""
    parts = []
    if isinstance(result, TranscriptionResult):
        info = result.transcription_info
        parts.append(f"language {info.language} ({info.language_confidence:.2f})")
    parts += [
        f"audio {result.audio.duration:.1f} s",
        f"processed in {result.processing.seconds:.1f} s",
        f"RTFx {result.processing.rtfx:.1f}",
    ]
    if isinstance(result, DiarizedResult):
        count = len(result.speakers)
        parts.append(f"{count} speaker" if count == 1 else f"{count} speakers")
    return " · ".join(parts)
