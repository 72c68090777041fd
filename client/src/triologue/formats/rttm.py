"""Rich Transcription Time Marked: the speaker turns, as tools that score diarizations read them."""

import re

from triologue.schema import DiarizationResult, DiarizedResult, TranscriptionResult


def to_rttm(result: TranscriptionResult | DiarizationResult, recording: str) -> str:
    """Write one line a turn, such as `SPEAKER meeting 1 6.690 0.430 <NA> <NA> SPEAKER_00 <NA> <NA>`.

    Blanks separate the fields: those in the names of speakers and of the recording become underscores.
    A transcript without speakers has no turns, and nothing is written.
    """
    turns = result.turns if isinstance(result, DiarizedResult) else []
    return "".join(
        f"SPEAKER {_field(recording)} 1 {turn.time_interval.start:.3f} {turn.time_interval.duration:.3f} "
        f"<NA> <NA> {_field(turn.speaker)} <NA> <NA>\n"
        for turn in turns
    )


def _field(name: str) -> str:
    return re.sub(r"\s", "_", name)
