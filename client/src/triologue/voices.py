"""Files of known speakers: a JSON list, a person a line."""

import json
from collections.abc import Iterable
from pathlib import Path

from triologue.schema import (
    InvalidOption,
    KnownSpeaker,
    PyannoteSpeakerDiarizationParams,
    parse_parameters,
)
from triologue.writing import write_whole


def read_voices(path: Path) -> tuple[KnownSpeaker, ...]:
    """Read a file of known speakers.

    Raises:
        InvalidOption: The file does not hold such a list; the message names it, and what is wrong.
        OSError: The path cannot be read, for example `FileNotFoundError`.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidOption(f"{path}: no JSON: {error}") from None
    try:
        return _checked(listed)
    except InvalidOption as error:
        raise InvalidOption(f"{path}: {error.message}") from None


def with_voice(voices: Iterable[KnownSpeaker], voice: KnownSpeaker) -> tuple[KnownSpeaker, ...]:
    """Return the voices and a new one, which takes the place of one of the same name.

    Raises:
        InvalidOption: These are more voices than a request takes.
    """
    by_name = {known.name: known for known in (*voices, voice)}
    return _checked(list(by_name.values()))


def to_text(voices: Iterable[KnownSpeaker]) -> str:
    """Return the text of a file of known speakers."""
    return "[\n" + ",\n".join(voice.model_dump_json(exclude_none=True) for voice in voices) + "\n]\n"


def write_voices(path: Path, voices: Iterable[KnownSpeaker]) -> None:
    """Write a file of known speakers as a whole, or leave the one there is as it was.

    A new file is for its owner alone to read: voices are personal data.

    Raises:
        OSError: The file cannot be written.
    """
    write_whole(path, to_text(voices), is_private=True)


def _checked(voices: object) -> tuple[KnownSpeaker, ...]:
    return parse_parameters(PyannoteSpeakerDiarizationParams, {"known_speakers": voices}).known_speakers
