"""Reading what a caller of the stream model asks for."""

from collections.abc import Mapping

from triologue.schema import (
    DiarizedAsrOptions,
    PyannoteSpeakerDiarizationParams,
    StreamParams,
    WhisperParams,
    parse_parameters,
)
from triologue.schema.base import WireModel

_OPTIONS: dict[str, type[WireModel]] = {
    "diarized_asr": DiarizedAsrOptions,
    "transcription": WhisperParams,
    "diarization": PyannoteSpeakerDiarizationParams,
}


def read_parameters(parameters: Mapping[str, object]) -> tuple[StreamParams, DiarizedAsrOptions]:
    """Split request parameters into what the stream itself takes and the options of its pipeline.

    Raises:
        InvalidOption: A parameter does not exist for that pipeline, or its value is refused.
    """
    own = {name: value for name, value in parameters.items() if name in StreamParams.model_fields}
    stream = parse_parameters(StreamParams, own)
    rest = {name: value for name, value in parameters.items() if name not in own}
    options = parse_parameters(_OPTIONS[stream.pipeline], rest)
    return stream, DiarizedAsrOptions.model_validate(options.model_dump(exclude_unset=True))
