"""What ends the work on an archive, or on a recording of it, and is no error of the service's."""

INVALID_LINE = "INVALID_LINE"
"""The code of a line of a manifest that is wrong."""


class BatchError(Exception):
    """What ends the work on all recordings; the message says what is wrong."""

    code = "INTERNAL"
    """What kind of failure it was."""


class ManifestError(BatchError):
    """A manifest that cannot be worked on at all; the message names its lines."""

    code = "INVALID_MANIFEST"


class EngineError(BatchError):
    """Ray gave up."""

    code = "RAY"
