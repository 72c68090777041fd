"""What a Whisper model cannot be asked. CTranslate2 checks little, and may end the process."""

from faster_whisper import WhisperModel

from triologue.schema import InvalidOption
from triologue_server.transcription.processor import Features
from triologue_server.transcription.window import WINDOW_FRAMES, WindowOptions

_TIMESTAMPS = 1501  # from 0.00 to 30.00 seconds


def check_features(model: WhisperModel, features: Features) -> None:
    """Refuse features of another model, or of more than one window.

    Raises:
        InvalidOption: They are.
    """
    mels, frames = features.shape
    expected = len(model.feature_extractor.mel_filters)
    if mels != expected or not 0 < frames <= WINDOW_FRAMES:
        raise InvalidOption(
            f"FEATURES: {mels} x {frames} are not the {expected} x (1 to {WINDOW_FRAMES}) of this model"
        )


def check_options(model: WhisperModel, options: WindowOptions) -> None:
    """Refuse options that the model cannot honour.

    Raises:
        InvalidOption: It cannot; the message names the option.
    """
    language = options.language
    if not model.model.is_multilingual:
        if language not in (None, "en"):
            raise InvalidOption(f"language: this server's model knows English only (got {language!r})")
        if options.task == "translate":
            raise InvalidOption("task: this server's model knows English only and cannot translate")
    elif language is not None and model.hf_tokenizer.token_to_id(f"<|{language}|>") is None:
        raise InvalidOption(f"language: this server's model does not know {language!r}")
    vocabulary = model.hf_tokenizer.get_vocab_size()
    if any(not -1 <= token < vocabulary for token in options.suppress_tokens or ()):
        raise InvalidOption(f"suppress_tokens: this server's model has tokens 0 to {vocabulary - 1}")
    # Timestamps are tokens that a tokenizer need not list.
    last = model.hf_tokenizer.token_to_id("<|notimestamps|>") + _TIMESTAMPS
    if any(not 0 <= token <= last for token in options.previous_tokens):
        raise InvalidOption(f"previous_tokens: this server's model has tokens 0 to {last}")
    if options.beam_size * options.patience < 0.5:
        raise InvalidOption(f"patience: {options.patience} leaves none of {options.beam_size} beams")
