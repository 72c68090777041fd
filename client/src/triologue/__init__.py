"""Triologue: who said what, and when.

The typed client and the wire schema of the Triologue service. Nothing here imports torch.
"""

from triologue.schema import *  # noqa: F403
from triologue.schema import __all__ as _schema

__version__ = "0.1.0"

__all__ = [*_schema, "__version__"]
