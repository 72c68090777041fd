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


def without_effect(options: WhisperParams) -> list[str]:
    """Say which of the options that were given have no effect."""
    return [
        f"{name}: has no effect {unless}"
        for name, unless, has_effect in (
            ("hallucination_silence_threshold", "in batched mode", options.mode == "sequential"),
            ("hallucination_silence_threshold", "without word_timestamps", options.word_timestamps),
            ("prompt_reset_on_temperature", "in batched mode", options.mode == "sequential"),
            ("vad_parameters", "without vad_filter", options.vad_filter),
            ("vad_parameters", "with clip_timestamps", not options.clip_timestamps),
        )
        if getattr(options, name) != type(options).model_fields[name].default and not has_effect
    ]
