"""What Locust is told about a load, by its command line or its web page."""

from __future__ import annotations

import argparse
from enum import Enum
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from benchmarks.encoded import Format
from benchmarks.locust.mix import Kind, Length, kinds_of, lengths_of

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser


class Workload(str, Enum):
    """When requests are sent."""

    CLOSED = "closed"
    OPEN = "open"
    RAMP = "ramp"
    SOAK = "soak"


# What is fixed once Locust runs: its web page cannot change it any more.
_FIXED = {"workload", "other_host", "result"}


class Options(BaseModel):
    """The options of a load. Each is an option of Locust's command line, `--other-host` for `other_host`."""

    model_config = ConfigDict(frozen=True)

    workload: Annotated[
        Workload,
        Field(
            description="closed: every user sends the next request when the last is answered; open: requests "
            "arrive at --rate, answered or not; ramp: closed, by more and more users; "
            "soak: closed, for --run-time, an hour by default"
        ),
    ] = Workload.CLOSED
    rate: Annotated[float, Field(gt=0, description="Of open: requests a second of each user, on average")] = (
        0.2
    )
    outstanding: Annotated[
        int,
        Field(ge=1, description="Of open: most requests of a user under way; no more are sent, but counted"),
    ] = 100
    pipelines: Annotated[str, Field(description="What is asked for, and how often in comparison")] = (
        "diarized:6,transcription:1,diarization:1,stream:2"
    )
    lengths: Annotated[
        str, Field(description="Seconds of the recordings, or ranges, and how often in comparison")
    ] = "10:5,30:3,60-300:2"
    formats: Annotated[str, Field(description="Formats of the recordings, which take turns")] = (
        "wav,flac,opus"
    )
    clips: Annotated[
        int, Field(ge=1, description="Recordings of each length, which each worker makes anew")
    ] = 6
    data: Annotated[
        str, Field(description="Data folder whose recordings are sent as they are, in the place of --lengths")
    ] = ""
    language: Annotated[str, Field(description="Language of the recordings; empty to have it detected")] = (
        "en"
    )
    retries: Annotated[
        int, Field(ge=0, description="How often the client sends a request that was refused")
    ] = 0
    request_timeout: Annotated[float, Field(gt=0, description="Seconds until a request is given up")] = 600.0
    grace: Annotated[
        float, Field(ge=0, description="Seconds that requests under way have when the load ends")
    ] = 120.0
    step_users: Annotated[
        int, Field(ge=1, description="Of ramp: users that each step adds, up to --users")
    ] = 2
    step_seconds: Annotated[float, Field(gt=0, description="Of ramp: length of a step")] = 120.0
    other_host: Annotated[
        str, Field(description="The same server by the other protocol, for half of the users")
    ] = ""
    result: Annotated[str, Field(description="File to write what was found to, as JSON")] = ""

    @field_validator("pipelines", "lengths", "formats")
    @classmethod
    def _readable(cls, value: str, info: ValidationInfo) -> str:
        """Refuse what cannot be read before anything is sent."""
        {"pipelines": kinds_of, "lengths": lengths_of, "formats": formats_of}[info.field_name or ""](value)
        return value

    @property
    def kinds(self) -> dict[Kind, float]:
        """Weights of what is asked for."""
        return kinds_of(self.pipelines)

    @property
    def mix(self) -> dict[Length, float]:
        """Weights of the lengths."""
        return lengths_of(self.lengths)

    @property
    def file_formats(self) -> list[Format]:
        """The formats that take turns."""
        return formats_of(self.formats)

    @classmethod
    def of(cls, parsed: argparse.Namespace) -> Options:
        """Return the options that Locust has parsed.

        Raises:
            pydantic.ValidationError: One cannot be read, or is out of range.
        """
        return cls.model_validate({name: getattr(parsed, name) for name in cls.model_fields})


def add_options(parser: LocustArgumentParser) -> None:
    """Add the options to Locust's own."""
    for name, field in Options.model_fields.items():
        # They go to workers as they are, so they stay what a message can hold.
        kept = field.default.value if isinstance(field.default, Enum) else field.default
        choices = [choice.value for choice in Workload] if name == "workload" else None
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(kept),
            default=kept,
            choices=choices,
            help=f"{field.description} (default: {kept or 'none'})",
            include_in_web_ui=name not in _FIXED,
        )


def formats_of(text: str) -> list[Format]:
    """Read formats such as `wav,opus`.

    Raises:
        ValueError: One does not exist.
    """
    return [Format(name.strip()) for name in text.split(",")]
