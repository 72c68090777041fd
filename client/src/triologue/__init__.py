"""Triologue: who said what, and when.

The typed client and the wire schema of the Triologue service. Nothing here imports torch.
"""

from typing import TYPE_CHECKING

from triologue.layout.cues import Cue, CueStyle, cues
from triologue.layout.paragraphs import paragraphs
from triologue.merge import PostProcessingForDiarizedAsr
from triologue.schema import *  # noqa: F403
from triologue.schema import __all__ as _schema

if TYPE_CHECKING:
    from triologue.client import Client
    from triologue.protocol import ServerHealth

__version__ = "0.1.0"

__all__ = [
    *_schema,
    "Client",
    "Cue",
    "CueStyle",
    "PostProcessingForDiarizedAsr",
    "ServerHealth",
    "__version__",
    "cues",
    "paragraphs",
]


def __getattr__(name: str) -> object:
    """Import the client when it is first asked for: the schema's other users need no tritonclient."""
    if name == "Client":
        from triologue.client import Client

        return Client
    if name == "ServerHealth":
        from triologue.protocol import ServerHealth

        return ServerHealth
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
