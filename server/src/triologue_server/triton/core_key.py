"""The key by which the cores know the conductor.

Over gRPC a caller names the model inside the message, where no proxy looks: whoever reaches the public models
reaches the cores too, past all limits. So they answer nobody but who sends the key of this run of the server.
"""

import os
import secrets
from collections.abc import Mapping
from hmac import compare_digest

from triologue.schema import AccessDenied

_VARIABLE = "TRIOLOGUE_CORE_KEY"
_PARAMETER = "core_key"


def environment() -> dict[str, str]:
    """Return what the cores and the conductor have to know: a new key."""
    return {_VARIABLE: secrets.token_hex(16)}


def parameters() -> Mapping[str, str]:
    """Return the request parameters that open the cores of this server."""
    key = os.environ.get(_VARIABLE)
    return {_PARAMETER: key} if key else {}


def check(given: Mapping[str, object]) -> None:
    """Look for the key in the parameters of a request.

    Raises:
        AccessDenied: It is not there; never where the cores are open.
    """
    key = os.environ.get(_VARIABLE)
    if key and not compare_digest(str(given.get(_PARAMETER, "")), key):
        raise AccessDenied("this model answers the server alone")
