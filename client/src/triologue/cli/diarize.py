"""`triologue diarize`."""

from typing import Any

from triologue.audio import Audio
from triologue.cli.choosing import check_formats, choose
from triologue.cli.connection import Connection
from triologue.cli.crew import OnEvent
from triologue.cli.flags import with_flags
from triologue.cli.groups import with_groups
from triologue.cli.parameters import Files, Working, Writing
from triologue.cli.process import Wish, process
from triologue.cli.voices import with_voices
from triologue.client import Client
from triologue.schema import DiarizationResult, PyannoteSpeakerDiarizationParams

EXAMPLES = """
\b
Examples:
  triologue diarize meeting.m4a -f rttm
  triologue diarize calls/ --jobs 4 -f rttm -f json -o turns/ --resume
"""


@with_flags(PyannoteSpeakerDiarizationParams)
@with_groups
def diarize(
    files: Files, *, writing: Writing, working: Working, connection: Connection, fields: dict[str, Any]
) -> None:
    """Find who speaks when in recordings."""
    choice = choose(files, writing)
    check_formats(choice.formats, has_text=False, has_speakers=True, has_words=False)
    wish = Wish(options=PyannoteSpeakerDiarizationParams, fields=with_voices(fields), ask=_ask, stages=2)
    process(wish, choice, working, connection)


def _ask(client: Client, audio: Audio, options: Any, on_event: OnEvent | None) -> DiarizationResult:
    return client.diarize(audio, options, on_event=on_event)
