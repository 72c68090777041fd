"""What goes into Whisper's network and what comes out, without the network: features and text."""

import json
from inspect import signature
from pathlib import Path

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray
from tokenizers import Tokenizer as Vocabulary

from triologue_server.audio import to_float

Features = NDArray[np.float32]
"""(mels, frames): a log-mel spectrogram, `FRAMES_A_SECOND` frames a second."""

_PADDING = 160  # zeros that faster-whisper puts behind a recording
_PIECE = 6_000  # frames worked out at once


class WhisperProcessor:
    """Feature extractor and tokenizer of a Whisper model.

    Args:
        folder: A CTranslate2 model.

    Raises:
        FileNotFoundError: It has no tokenizer.
    """

    def __init__(self, folder: Path) -> None:
        config = folder / "preprocessor_config.json"
        given = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        known = signature(FeatureExtractor).parameters
        self._extractor = FeatureExtractor(**{name: given[name] for name in given if name in known})
        if not (folder / "tokenizer.json").is_file():
            raise FileNotFoundError(f"{folder} holds no tokenizer.json, which comes with a Whisper model")
        vocabulary = Vocabulary.from_file(str(folder / "tokenizer.json"))
        self.tokenizer = Tokenizer(vocabulary, multilingual=False)
        """Turns tokens of any language into text."""

    def spectrogram(self, samples: NDArray[np.int16]) -> "Spectrogram":
        """Return the spectrogram of a recording, or of a piece of one that stands for itself."""
        return Spectrogram(self._extractor, samples)


class Spectrogram:
    """The features of a recording, scaled as a whole, and worked out where they are looked at.

    faster-whisper works them out at once, which takes twenty times the memory of the recording. The values
    are the same. For one thread at a time.
    """

    def __init__(self, extractor: FeatureExtractor, samples: NDArray[np.int16]) -> None:
        self._extractor = extractor
        self._samples = samples
        self._last: tuple[int, Features] = -1, np.empty((0, 0), np.float32)
        self.frames: int = len(samples) // extractor.hop_length
        """How many there are."""
        # One more frame counts for the scale, half of which lies behind the end.
        self._loudest = max(self._piece(number).max() for number in range(self.frames // _PIECE + 1))

    def __getitem__(self, frames: slice) -> Features:
        """Return some consecutive frames."""
        start, stop, _ = frames.indices(self.frames)
        if start >= stop:
            return np.zeros((len(self._extractor.mel_filters), 0), np.float32)
        first, last = start // _PIECE, (stop - 1) // _PIECE
        pieces = np.concatenate([self._piece(number) for number in range(first, last + 1)], axis=1)
        wanted = pieces[:, start - first * _PIECE : stop - first * _PIECE]
        scaled: Features = (np.maximum(wanted, self._loudest - 8.0) + 4.0) / 4.0
        return scaled

    def _piece(self, number: int) -> Features:
        """Return one of the pieces that the spectrogram is worked out in; the last one is at hand."""
        at_hand, piece = self._last
        if number != at_hand:
            start = number * _PIECE
            piece = self._log_mel(start, min(self.frames + 1, start + _PIECE))
            self._last = number, piece
        return piece

    def _log_mel(self, start: int, stop: int) -> Features:
        extractor = self._extractor
        spectrum = extractor.stft(
            self._heard(start, stop),
            extractor.n_fft,
            extractor.hop_length,
            window=np.hanning(extractor.n_fft + 1)[:-1].astype(np.float32),
            center=False,
            return_complex=True,
        ).astype(np.complex64)
        mel = extractor.mel_filters @ np.abs(spectrum) ** 2
        return np.log10(np.clip(mel, 1e-10, None))

    def _heard(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the samples that frames are made of: as many again as overlap at both ends.

        A recording is continued by its mirror image at either end.
        """
        hop, overlap = self._extractor.hop_length, self._extractor.n_fft // 2
        first, last = start * hop - overlap, (stop - 1) * hop + overlap
        heard = to_float(self._samples[max(0, first) : last])
        end = len(self._samples) + _PADDING
        heard = np.pad(heard, (0, min(last, end) - max(0, first) - len(heard)))
        return np.pad(heard, (max(0, -first), max(0, last - end)), mode="reflect")
