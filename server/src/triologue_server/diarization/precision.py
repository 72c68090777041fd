"""The number format that networks compute in."""

from contextlib import AbstractContextManager

import torch

from triologue_server.settings import Precision


def computing_in(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Let torch do what it can in a format of 16 bits, and the rest in 32."""
    return torch.autocast(device.type, dtype=getattr(torch, precision), enabled=precision != "float32")
