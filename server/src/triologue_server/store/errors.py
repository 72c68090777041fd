"""The errors of the model store.

    StoreError
    ├── UnknownModel        no model, Hugging Face id or folder of that name
    ├── ModelMissing        a model is not in the store, or is incomplete there
    ├── ChecksumMismatch    what arrived is not what the catalogue describes
    ├── SourceUnreachable   no answer from the place where the model comes from; worth trying again later
    └── SourceRefused       an answer came, and it is no: not found, not allowed, access not granted

Each message is one line that a person can act upon.
"""


class StoreError(Exception):
    """Base of every error of the model store."""


class UnknownModel(StoreError):
    """The name is no model of the catalogue, no Hugging Face id and no existing folder."""


class ModelMissing(StoreError):
    """The model has to be fetched before it can be used."""

    def __init__(self, name: str, root: str, files: tuple[str, ...]) -> None:
        super().__init__(
            f"{name} is not complete in {root} (missing or damaged: {', '.join(files)}): "
            f"run `triologue-server models fetch {name}`, or point TRIOLOGUE_MODELS to a filled folder"
        )
        self.name = name
        self.files = files


class ChecksumMismatch(StoreError):
    """The bytes that arrived differ from the ones expected; nothing of them is kept."""

    def __init__(self, name: str, expected: str, got: str) -> None:
        super().__init__(f"{name} is not the expected file: checksum {expected} expected, {got} received")
        self.name = name
        self.expected = expected
        self.got = got


class SourceUnreachable(StoreError):
    """The host a model comes from did not answer, however often it was asked."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"cannot reach {host} ({reason}): run `triologue-server models fetch` when online, "
            "or point TRIOLOGUE_MODELS to a filled folder"
        )
        self.host = host


class SourceRefused(StoreError):
    """The place a model comes from answered that it does not give it."""
