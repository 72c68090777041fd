"""The options as keyword arguments, so that editors and type checkers know them at the call.

Names and types repeat the models in `triologue.schema.options`, where meanings, defaults and bounds are
written.
"""

from typing import Literal, TypedDict

from triologue.schema import KnownSpeaker, VadParameters


class TranslationKeywords(TypedDict, total=False):
    """Fields of `WhisperParams` but for `task`."""

    language: str | None
    beam_size: int
    best_of: int
    temperature: float | tuple[float, ...]
    mode: Literal["batched", "sequential"]
    word_timestamps: bool
    without_timestamps: bool | None
    vad_filter: bool
    vad_parameters: VadParameters | None
    patience: float
    length_penalty: float
    repetition_penalty: float
    no_repeat_ngram_size: int
    compression_ratio_threshold: float | None
    log_prob_threshold: float | None
    no_speech_threshold: float | None
    hallucination_silence_threshold: float | None
    condition_on_previous_text: bool
    prompt_reset_on_temperature: float
    initial_prompt: str | None
    prefix: str | None
    hotwords: str | None
    suppress_blank: bool
    suppress_tokens: tuple[int, ...] | None
    max_initial_timestamp: float
    max_new_tokens: int | None
    prepend_punctuations: str
    append_punctuations: str
    multilingual: bool
    language_detection_segments: int
    language_detection_threshold: float
    clip_timestamps: tuple[float, ...]


class WhisperKeywords(TranslationKeywords, total=False):
    """Fields of `WhisperParams`."""

    task: Literal["transcribe", "translate"]


class DiarizationKeywords(TypedDict, total=False):
    """Fields of `PyannoteSpeakerDiarizationParams`."""

    num_speakers: int | None
    min_speakers: int | None
    max_speakers: int | None
    clustering_threshold: float | None
    segmentation_step: float
    min_duration_off: float | None
    speaker_embeddings: bool
    known_speakers: tuple[KnownSpeaker, ...]
    known_speaker_threshold: float


class DiarizedAsrKeywords(WhisperKeywords, DiarizationKeywords, total=False):
    """Fields of `DiarizedAsrOptions`."""

    attribution: Literal["voice", "word", "sentence"]
