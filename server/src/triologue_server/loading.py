"""Loading models: what goes wrong says which one it is about, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten

from triologue_server.memory import shortage
from triologue_server.store import StoreError


class ModelNotLoaded(Exception):
    """A model cannot be loaded; the message says what to do about it."""


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Name what is being loaded in the errors of the libraries that load it.

    Args:
        what: A file, or another description, that begins a sentence.

    Raises:
        ModelNotLoaded: There is not enough memory, or the files are damaged.
    """
    try:
        yield
    except (ValueError, StoreError, ModelNotLoaded):  # they are ours, or say it all
        raise
    except Exception as error:
        reason = shorten(f"{type(error).__name__}: {error}", 200, placeholder=" …")
        if short := shortage(error):
            raise ModelNotLoaded(
                f"{what} does not fit, {short}: take a smaller model or compute type, fewer instances or a "
                f"smaller max_batch_size, as `triologue-server tune` finds them ({reason})"
            ) from error
        raise ModelNotLoaded(
            f"{what} cannot be loaded ({reason}): if it is damaged, `triologue-server models fetch` mends "
            "what it has fetched, and a folder of your own must be copied again"
        ) from error
