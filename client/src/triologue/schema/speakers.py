"""People whose voices are known."""

import base64
import math
import re
import unicodedata

from pydantic import Field, field_validator, model_validator

from triologue.audio import Audio, read_audio
from triologue.schema.base import WireModel

LABEL = re.compile(r"SPEAKER_\d+")
"""What speakers are called whose names are not known."""

# Controls, and the separators of lines and paragraphs: a name stands on one line of a transcript.
_BREAKS = {"Cc", "Zl", "Zp"}


class KnownSpeaker(WireModel):
    """A person whose voice is known, by a vector or by a recording."""

    name: str = Field(min_length=1, max_length=200)
    """What the speaker is called in the result; not `SPEAKER_00` or the like."""
    embedding: tuple[float, ...] | None = Field(default=None, min_length=1, max_length=4096, repr=False)
    """The vector of the voice, as the same server has told it before; this or a clip."""
    clip: str | None = Field(default=None, repr=False)
    """An audio file in which nobody else speaks, as base64 text; this or a vector."""

    @classmethod
    def from_clip(cls, name: str, audio: Audio) -> "KnownSpeaker":
        """Make one from a recording in which nobody else speaks.

        Raises:
            OSError: The path cannot be read, for example `FileNotFoundError`.
            ValueError: The name is refused, or the recording holds no bytes.
        """
        return cls(name=name, clip=base64.b64encode(read_audio(audio)).decode())

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("give a name that is not blank")
        if any(unicodedata.category(character) in _BREAKS for character in name):
            raise ValueError("give a name without control characters")
        if LABEL.fullmatch(name):
            raise ValueError("give a name other than the labels of speakers who are not known")
        return name

    @field_validator("embedding")
    @classmethod
    def _has_a_direction(cls, embedding: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if embedding is not None and not 0.0 < math.hypot(*embedding) < math.inf:
            raise ValueError("give finite numbers that are not all zero")
        return embedding

    @field_validator("clip")
    @classmethod
    def _is_base64(cls, clip: str | None) -> str | None:
        if clip is None:
            return None
        try:
            audio = base64.b64decode(clip, validate=True)
        except ValueError:
            raise ValueError("give the bytes of an audio file as base64 text") from None
        if not audio:
            raise ValueError("give a file that is not empty")
        return clip

    @model_validator(mode="after")
    def _is_known_by_one_thing(self) -> "KnownSpeaker":
        if (self.embedding is None) == (self.clip is None):
            raise ValueError("give either an embedding or a clip")
        return self
