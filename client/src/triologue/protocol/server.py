"""What a server says about itself."""

from pydantic import Field

from triologue.schema.base import WireModel


class ServerInfo(WireModel):
    """A server, as it is now."""

    url: str
    """Where it was asked."""
    live: bool
    """It answers."""
    ready: bool
    """Every model that it was told to load is loaded."""
    models: dict[str, bool]
    """Whether each public model takes requests."""
    version: str
    """Version of the Triton server."""
    settings: dict[str, str] = Field(default_factory=dict)
    """What it runs and takes, such as `whisper` and `upload_mb`, as far as it tells."""
