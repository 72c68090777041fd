"""The Whisper core: windows of speech in, hypotheses out, many at once.

Each window goes through the encoder once; language detection, decoding, retries and word alignment all work
on that output. Windows are decoded together when they are decoded alike.
"""

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer

from triologue.schema import InternalError, TriologueError
from triologue_server.loading import loading
from triologue_server.memory import shortage
from triologue_server.settings import WhisperSettings
from triologue_server.transcription.alignment import align
from triologue_server.transcription.checks import check_features, check_options
from triologue_server.transcription.cuda import preload_cublas
from triologue_server.transcription.decoding import Decoded, decode, prompt_of
from triologue_server.transcription.network import ArrayNetwork, Encoded
from triologue_server.transcription.processor import Features
from triologue_server.transcription.segments import cut
from triologue_server.transcription.window import AlignedWord, Hypothesis, WindowOptions

_log = logging.getLogger(__name__)

# What decoding depends on beside the prompt; windows that differ in the rest are decoded together.
_DECODING_OPTIONS = {
    "without_timestamps",
    "beam_size",
    "best_of",
    "temperature",
    "patience",
    "length_penalty",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "compression_ratio_threshold",
    "log_prob_threshold",
    "no_speech_threshold",
    "suppress_blank",
    "suppress_tokens",
    "max_initial_timestamp",
    "max_new_tokens",
}


@dataclass(frozen=True)
class WindowRequest:
    """One window to transcribe."""

    features: Features
    """(mels, frames), at most `WINDOW_FRAMES` of them."""
    options: WindowOptions
    """What to transcribe it with; without a language it is detected."""


@dataclass
class _Work:
    """A window on its way through the network."""

    request: WindowRequest
    row: int = -1  # in the encoder's output
    language: tuple[str, float] = ("", 0.0)
    tokenizer: Any = None
    prompt: list[int] = field(default_factory=list)
    decoded: Decoded | None = None
    words: list[AlignedWord] = field(default_factory=list)
    error: TriologueError | None = None

    @property
    def options(self) -> WindowOptions:
        return self.request.options

    @property
    def hypothesis(self) -> Hypothesis:
        language, confidence = self.language
        if self.decoded is None:
            return Hypothesis(language=language, language_confidence=confidence)
        return Hypothesis(
            language=language,
            language_confidence=confidence,
            tokens=self.decoded.tokens,
            avg_logprob=self.decoded.avg_logprob,
            no_speech_prob=self.decoded.no_speech_prob,
            temperature=self.decoded.temperature,
            words=self.words,
        )


class WhisperCore:
    """A Whisper model that transcribes batches of windows, as many at once as it has workers.

    Args:
        folder: A CTranslate2 model.
        settings: Where and how to compute.
        gpu: Number of the GPU to compute on, if it is to be one.

    Raises:
        ModelNotLoaded: CTranslate2 cannot load the model or use the device.
        RuntimeError: A library that the device needs is not there.
        ValueError: The device does not compute in the compute type.
    """

    def __init__(self, folder: Path, settings: WhisperSettings, gpu: int = 0) -> None:
        if settings.device == "cuda":
            preload_cublas()
        workers = settings.workers_of_instance
        with loading(f"Whisper's {folder / 'model.bin'}"):
            self._model = WhisperModel(
                str(folder),
                device=settings.device,
                device_index=gpu,
                compute_type=settings.compute_type.value,
                cpu_threads=settings.threads_of_instance // workers,
                num_workers=workers,
            )
        self._model.model = ArrayNetwork(self._model.model)

    def transcribe(self, requests: Sequence[WindowRequest]) -> list[Hypothesis | TriologueError]:
        """Transcribe windows; the answer for each does not depend on the others.

        A window whose options this model cannot honour is answered with the error.

        Raises:
            RuntimeError, MemoryError: There is not enough memory for so many windows.
        """
        windows = [_Work(request) for request in requests]
        _in_groups(self._check, windows, id)
        if good := _without_error(windows):
            encoded = self._encode(good)
            self._detect(encoded, good)
            decoded = [window for window in good if not window.options.detect_only]
            _in_groups(self._prompt, decoded, id)
            _in_groups(lambda group: self._decode(encoded, group), decoded, _decoded_alike)
            spoken = [window for window in decoded if window.options.word_timestamps]
            _in_groups(lambda group: self._align(encoded, group), spoken, _aligned_alike)
        return [window.error or window.hypothesis for window in windows]

    def _check(self, group: Sequence[_Work]) -> None:
        for window in group:
            check_features(self._model, window.request.features)
            check_options(self._model, window.options)

    def _encode(self, windows: Sequence[_Work]) -> Encoded:
        for row, window in enumerate(windows):
            window.row = row
        encoded: Encoded = self._model.model.encode(
            np.stack([pad_or_trim(window.request.features) for window in windows])
        )
        return encoded

    def _detect(self, encoded: Encoded, windows: Sequence[_Work]) -> None:
        """Give each window its language."""
        multilingual = self._model.model.is_multilingual
        asked = []
        for window in windows:
            window.language = (window.options.language or "en", 1.0)
            if multilingual and (window.options.language is None or window.options.multilingual):
                asked.append(window)
        if asked:
            found = self._model.model.detect_language(encoded[_rows(asked)])
            for window, ((token, probability), *_) in zip(asked, found, strict=True):
                window.language = (token[2:-2], min(1.0, float(probability)))
        for window in windows:
            language, _ = window.language
            window.tokenizer = Tokenizer(
                self._model.hf_tokenizer, multilingual, window.options.task, language
            )

    def _prompt(self, group: Sequence[_Work]) -> None:
        for window in group:
            window.prompt = prompt_of(self._model, window.tokenizer, window.options)

    def _decode(self, encoded: Encoded, group: Sequence[_Work]) -> None:
        first = group[0]
        prompts = [window.prompt for window in group]
        decoded = decode(self._model, encoded[_rows(group)], first.tokenizer, prompts, first.options)
        for window, its in zip(group, decoded, strict=True):
            window.decoded = its

    def _align(self, encoded: Encoded, group: Sequence[_Work]) -> None:
        spoken = [window for window in group if not window.hypothesis.is_silence(window.options)]
        if not spoken:
            return
        words = align(
            self._model,
            spoken[0].tokenizer,
            encoded[_rows(spoken)],
            [_to_align(window) for window in spoken],
            [window.request.features.shape[1] for window in spoken],
        )
        for window, its in zip(spoken, words, strict=True):
            window.words = its


def _in_groups(
    work: Callable[[Sequence[_Work]], None],
    windows: Iterable[_Work],
    key: Callable[[_Work], Hashable],
) -> None:
    """Do work for each group of windows that share a key, but not for windows that have failed.

    What one caller's options do to the model must not reach the others: an error is the group's alone.
    """
    groups: dict[Hashable, list[_Work]] = {}
    for window in _without_error(windows):
        groups.setdefault(key(window), []).append(window)
    for group in groups.values():
        try:
            work(group)
        except Exception as error:
            if shortage(error):  # it is the whole batch that is too much
                raise
            _fail(group, error)


def _fail(group: Sequence[_Work], error: Exception) -> None:
    if not isinstance(error, TriologueError):
        # Names alone: prompts and hotwords are not for a log.
        given = sorted(group[0].options.model_fields_set)
        _log.error("windows could not be transcribed with %s", given, exc_info=error)
        error = InternalError(f"{type(error).__name__}: {error}")
    for window in group:
        window.error = error


def _without_error(windows: Iterable[_Work]) -> list[_Work]:
    return [window for window in windows if window.error is None]


def _rows(windows: Iterable[_Work]) -> list[int]:
    return [window.row for window in windows]


def _decoded_alike(window: _Work) -> Hashable:
    # CTranslate2 wants prompts of one length, with the start of the transcript at one place.
    start = window.prompt.index(window.tokenizer.sot)
    return len(window.prompt), start, window.options.model_dump_json(include=_DECODING_OPTIONS)


def _to_align(window: _Work) -> list[int]:
    if window.options.mode == "batched":
        return window.hypothesis.tokens
    # A window that slides hears again what is behind the last timestamp.
    frames = window.request.features.shape[1]
    segments, _, _ = cut(window.tokenizer, window.hypothesis, 0, frames)
    return [token for segment in segments for token in segment["tokens"]]


def _aligned_alike(window: _Work) -> Hashable:
    return window.language[0], window.options.task
