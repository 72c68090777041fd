"""The base of every wire model."""

from pydantic import BaseModel, ConfigDict


class WireModel(BaseModel):
    """A frozen pydantic model that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
