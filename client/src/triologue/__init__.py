"""Triologue: who said what, and when.

The typed client and the wire schema of the Triologue service. Nothing here imports torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from triologue.audio import Audio
from triologue.layout.cues import Cue, CueStyle, cues
from triologue.layout.paragraphs import paragraphs
from triologue.merge import PostProcessingForDiarizedAsr
from triologue.schema import *  # noqa: F403
from triologue.schema import __all__ as _schema

if TYPE_CHECKING:
    from triologue.async_client import AsyncClient
    from triologue.client import Client
    from triologue.many import Outcome
    from triologue.protocol.request import Pipeline
    from triologue.protocol.server import ServerInfo
    from triologue.transport.address import Tls

__version__ = "0.1.0"

__all__ = [
    *_schema,
    "AsyncClient",
    "Audio",
    "Client",
    "Cue",
    "CueStyle",
    "Outcome",
    "Pipeline",
    "PostProcessingForDiarizedAsr",
    "ServerInfo",
    "Tls",
    "__version__",
    "cues",
    "paragraphs",
]


_LATE = {
    "AsyncClient": "triologue.async_client",
    "Client": "triologue.client",
    "Outcome": "triologue.many",
    "Pipeline": "triologue.protocol.request",
    "ServerInfo": "triologue.protocol.server",
    "Tls": "triologue.transport.address",
}


def __getattr__(name: str) -> object:
    """Import what needs the network when it is first asked for: the schema's other users do not need it."""
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
