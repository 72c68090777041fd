"""The Whisper core: windows of speech in, their transcripts out, many at once.

Each window goes through the encoder once; language detection, decoding, retries and word alignment all work
on that output. Windows are decoded together when their options and language are the same.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2 import DataType
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_ctranslate2_storage
from numpy.typing import NDArray

from triologue.schema import AsrSegment, InternalError, InvalidOption, TriologueError, WhisperParams
from triologue_server.audio import SAMPLE_RATE, to_float
from triologue_server.settings import WhisperSettings
from triologue_server.transcription.alignment import RawSegment, align_words, cut_segments
from triologue_server.transcription.cuda import preload_cublas
from triologue_server.transcription.decoding import decode
from triologue_server.transcription.segments import aligns_words, to_schema
from triologue_server.transcription.window import WindowTranscript

_log = logging.getLogger(__name__)

Encoded = NDArray[np.floating[Any]]
"""(windows, frames, features): output of the encoder."""


@dataclass(frozen=True)
class WindowRequest:
    """One window to transcribe."""

    samples: NDArray[np.int16]
    """(samples,) at 16 kHz, at most `WINDOW_SAMPLES` of them."""
    options: WhisperParams
    """What to transcribe it with; without a language it is detected."""


class WhisperCore:
    """A Whisper model that transcribes batches of windows.

    Args:
        folder: A CTranslate2 model.
        settings: Where and how to compute.

    Raises:
        RuntimeError: CTranslate2 cannot load the model or use the device.
    """

    def __init__(self, folder: Path, settings: WhisperSettings) -> None:
        if settings.device == "cuda":
            preload_cublas()
        self._model = WhisperModel(
            str(folder),
            device=settings.device,
            compute_type=settings.compute_type.value,
            cpu_threads=settings.threads,
        )

    def transcribe(self, windows: Sequence[WindowRequest]) -> list[WindowTranscript | TriologueError]:
        """Transcribe windows; the answer for each does not depend on the others.

        A window whose options this model cannot honour is answered with the error.
        """
        answers: dict[int, WindowTranscript | TriologueError] = {}
        for options, at in _grouped(windows):
            answers |= zip(at, self._answer_group([windows[n].samples for n in at], options), strict=True)
        return [answers[window] for window in range(len(windows))]

    def _answer_group(
        self, samples: Sequence[NDArray[np.int16]], options: WhisperParams
    ) -> Sequence[WindowTranscript | TriologueError]:
        try:
            self._check(options)
            return self._transcribe_group(samples, options)
        except TriologueError as error:
            return [error] * len(samples)
        except Exception as error:  # what one caller's options do to the model must not reach the others
            # Names alone: prompts and hotwords are not for a log.
            _log.exception("windows could not be transcribed with %s", sorted(options.model_fields_set))
            return [InternalError(f"{type(error).__name__}: {error}")] * len(samples)

    def _check(self, options: WhisperParams) -> None:
        language = options.language
        if not self._model.model.is_multilingual:
            if language not in (None, "en"):
                raise InvalidOption(f"language: this server's model knows English only (got {language!r})")
            if options.task == "translate":
                raise InvalidOption("task: this server's model knows English only and cannot translate")
        elif language is not None and self._model.hf_tokenizer.token_to_id(f"<|{language}|>") is None:
            raise InvalidOption(f"language: this server's model does not know {language!r}")
        # CTranslate2 checks nothing: a token it does not have ends the process, and all its callers with it.
        vocabulary = self._model.hf_tokenizer.get_vocab_size()
        if any(not -1 <= token < vocabulary for token in options.suppress_tokens or ()):
            raise InvalidOption(f"suppress_tokens: this server's model has tokens 0 to {vocabulary - 1}")
        if options.beam_size * options.patience < 0.5:
            raise InvalidOption(f"patience: {options.patience} leaves none of {options.beam_size} beams")

    def _transcribe_group(
        self, samples: Sequence[NDArray[np.int16]], options: WhisperParams
    ) -> list[WindowTranscript]:
        encoded = self._encode(samples)  # (windows, frames, features)
        languages = self._languages(encoded, options)
        transcripts: list[WindowTranscript | None] = [None] * len(samples)
        for language in sorted({language for language, _ in languages}):
            at = [window for window, (found, _) in enumerate(languages) if found == language]
            tokenizer = Tokenizer(
                self._model.hf_tokenizer, self._model.model.is_multilingual, options.task, language
            )
            durations = [len(samples[window]) / SAMPLE_RATE for window in at]
            for window, segments in zip(
                at, self._segments(encoded[at], durations, tokenizer, options), strict=True
            ):
                confidence = languages[window][1]
                transcripts[window] = WindowTranscript(
                    language=language, language_confidence=confidence, segments=segments
                )
        return [transcript for transcript in transcripts if transcript is not None]

    def _encode(self, samples: Sequence[NDArray[np.int16]]) -> Encoded:
        extract = self._model.feature_extractor
        features = np.stack([pad_or_trim(extract(to_float(window))[..., :-1]) for window in samples])
        # On the CPU the output can be picked apart for retries; CTranslate2 moves it back by itself.
        storage = self._model.model.encode(get_ctranslate2_storage(features), to_cpu=True)
        if storage.dtype == DataType.bfloat16:  # NumPy has no such type
            storage = storage.to(DataType.float32)
        return np.asarray(storage)

    def _languages(self, encoded: Encoded, options: WhisperParams) -> list[tuple[str, float]]:
        if not self._model.model.is_multilingual:
            return [("en", 1.0)] * len(encoded)
        if options.language is not None and not options.multilingual:
            return [(options.language, 1.0)] * len(encoded)
        found = self._model.model.detect_language(get_ctranslate2_storage(encoded))
        return [(token[2:-2], min(1.0, float(probability))) for (token, probability), *_ in found]

    def _segments(
        self,
        encoded: Encoded,
        durations: Sequence[float],
        tokenizer: Tokenizer,
        options: WhisperParams,
    ) -> list[list[AsrSegment]]:
        decoded = decode(self._model, encoded, tokenizer, options)
        windows: list[list[RawSegment]] = [
            []
            if hypothesis.is_silence(options)
            else cut_segments(self._model, tokenizer, hypothesis.tokens, duration)
            for hypothesis, duration in zip(decoded, durations, strict=True)
        ]
        if aligns_words(options):
            align_words(self._model, tokenizer, encoded, windows, durations, options)
        return [
            list(to_schema(segments, hypothesis, tokenizer, duration, options))
            for segments, hypothesis, duration in zip(windows, decoded, durations, strict=True)
        ]


def _grouped(windows: Sequence[WindowRequest]) -> Iterable[tuple[WhisperParams, list[int]]]:
    """Yield each distinct set of options with the indices of its windows."""
    keys = [window.options.model_dump_json() for window in windows]
    for _, group in groupby(sorted(range(len(windows)), key=keys.__getitem__), key=keys.__getitem__):
        at = list(group)
        yield windows[at[0]].options, at
