"""The bases of the wire models."""

from pydantic import BaseModel, ConfigDict


class WireModel(BaseModel):
    """A frozen pydantic model that refuses fields it does not know, and quotes no input in its errors.

    Input is what people said: it must not end in a log.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


class AnswerModel(WireModel):
    """A model of what a server says, which takes no notice of fields that a newer one may add."""

    model_config = ConfigDict(extra="ignore")
