"""Simulated conversations as files: FLAC, WAV or Opus, RTTM, STM, and the line of a manifest."""

from pathlib import Path

from benchmarks.encoded import Format, write_audio
from benchmarks.simulate.conversation import Conversation


def save(
    conversation: Conversation, folder: Path, name: str, file_format: Format
) -> dict[str, str | int | None]:
    """Write a conversation into a folder, and return its line for the manifest there.

    `benchmarks/recordings.py` describes manifests. There is an STM file only where all words are known.
    """
    audio = f"{name}.{file_format.value}"
    write_audio(conversation.samples, folder / audio)
    entry: dict[str, str | int | None] = {"audio": audio}
    for kind, text in (("rttm", conversation.rttm(name)), ("stm", conversation.stm(name))):
        if text is not None:
            entry[kind] = f"{name}.{kind}"
            (folder / f"{name}.{kind}").write_text(text, encoding="utf-8")
    return entry | {"language": conversation.language, "speakers": len(conversation.speakers)}
