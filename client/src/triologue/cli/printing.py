"""What goes to standard output: results, and segments as they come."""

from triologue.cli.sources import Source
from triologue.cli.stdout import write_stdout
from triologue.formats import FORMATS, Setting
from triologue.schema import (
    AsrSegment,
    AsrTranscription,
    AsrTranscriptionInfo,
    AudioInfo,
    ProcessingInfo,
    TranscriptionResult,
)


class Printer:
    """Writes results one after the other, and tells them apart where several are for people.

    Args:
        has_blanks: Whether there is an empty line between them.
        has_names: Whether each stands under the name of its recording.
        is_told_by_segments: Whether segments that were written are the result already.
    """

    def __init__(self, *, has_blanks: bool, has_names: bool, is_told_by_segments: bool) -> None:
        self._has_blanks, self._has_names, self._is_told = has_blanks, has_names, is_told_by_segments
        self._at: Source | None = None

    def segment(self, source: Source, segment: AsrSegment) -> None:
        """Write a segment whose speaker is not known yet.

        Raises:
            OSError: It cannot be written.
        """
        self._turn_to(source)
        write_stdout(_text_of(segment))

    def result(self, source: Source, text: str, *, is_refuge: bool = False) -> None:
        """Write a result. Where segments were written before it, it follows them, or they were all of it.

        Args:
            source: The recording.
            text: The result.
            is_refuge: Whether it should have gone to a file.

        Raises:
            OSError: It cannot be written.
        """
        if self._at is source:
            if self._is_told and not is_refuge:
                return
            text = f"\n{text}"
        else:
            self._turn_to(source)
        write_stdout(text)

    def _turn_to(self, source: Source) -> None:
        if self._at is source:
            return
        blank = "\n" if self._has_blanks and self._at is not None else ""
        name = f"{source.name}:\n" if self._has_names else ""
        self._at = source
        write_stdout(f"{blank}{name}")


def _text_of(segment: AsrSegment) -> str:
    alone = TranscriptionResult(
        audio=AudioInfo(duration=0.0, sample_rate=0, channels=0),
        processing=ProcessingInfo(seconds=0.0, rtfx=0.0),
        segments=[segment],
        transcription_info=AsrTranscriptionInfo(),
        transcription=AsrTranscription(),
    )
    return FORMATS["txt"].write(alone, Setting(""))
