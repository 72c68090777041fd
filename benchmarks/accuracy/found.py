"""What a contender answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyannote.core import Annotation

from benchmarks.spoken import Spoken
from triologue.keywords import DiarizationKeywords


@dataclass(frozen=True)
class Found:
    """What a contender finds in a recording."""

    turns: Annotation
    """Who speaks when."""
    spoken: Sequence[Spoken] | None = None
    """Who says what; `None` of those who find turns alone."""


Contender = Callable[[bytes, DiarizationKeywords], Found]
"""Makes something of an encoded file."""
