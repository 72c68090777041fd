"""Whisper models of random weights, which compute as long as trained ones and say nothing.

What a trained network takes for a window depends on its shape, on the number of tokens it writes, and on
nothing else that its weights hold. A random one would end anywhere, so these never end: they write words
until they are stopped (`decoding_of`), and no timestamps.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec
from numpy.typing import NDArray

from benchmarks.on_gpu.vocabulary import SIZE, are_words, config_of, tokens_of, write_tokenizer
from triologue_server.store import ModelStore, resolve_whisper

_FRAMES = 1_500  # of the encoder's output
_LONGEST = 448  # tokens of a prompt and what follows
_PROMPT = 4  # tokens: start, language, task, no timestamps
_KERNEL = 3  # frames that a convolution looks at

_SPREAD = 0.02  # standard deviation of weights, as before training
# The first feature of what the decoder puts out is always `_PUSH`, and tokens that are no words weigh it with
# `-_PULL`: their logits are lower by 32, where those of words differ by a few.
_PUSH, _PULL = 8.0, 4.0


@dataclass(frozen=True)
class Shape:
    """Size of a Whisper network."""

    encoder_layers: int
    decoder_layers: int
    width: int
    """Features of a frame or token."""
    heads: int
    """Of every attention."""
    alignment_heads: tuple[tuple[int, int], ...]
    """Layer and head of the decoder whose attention times words."""
    mels: int = 128
    """Bands of the spectrogram."""

    @property
    def name(self) -> str:
        """Tells shapes apart, in the name of a folder."""
        return f"random-whisper-{self.encoder_layers}-{self.decoder_layers}-{self.width}-{self.mels}"


TURBO = Shape(32, 4, 1280, 20, ((2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14)))
"""Of large-v3-turbo."""
TINY = Shape(2, 1, 64, 2, ((0, 0), (0, 1)))
"""Of a network that a CPU computes at once."""


def random_whisper(shape: Shape, models: Path, store: ModelStore) -> Path:
    """Return the folder of a CTranslate2 model of random weights in float16; it is made where there is none.

    Args:
        shape: Of the network.
        models: Folder that the model's is in.
        store: Where the tokenizer is taken from: that of `base`.

    Raises:
        StoreError: The store has no `base`.
    """
    folder = models / shape.name
    if not folder.exists():
        older = store.require(resolve_whisper("base"))
        models.mkdir(parents=True, exist_ok=True)
        # Under its name it is complete.
        made = Path(mkdtemp(prefix=f"{shape.name}-", dir=models))
        try:
            _write(shape, older, made)
            made.rename(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return folder


def decoding_of(tokens: int) -> dict[str, Any]:
    """Return the options with which such a model writes just so many tokens for every window.

    CTranslate2 lets a text have at most half of the tokens that it may have with its prompt.

    Raises:
        ValueError: Whisper does not write so many.
    """
    if not _PROMPT <= tokens <= _LONGEST // 2:
        raise ValueError(f"Whisper writes {_PROMPT} to {_LONGEST // 2} tokens for a window, not {tokens}")
    return {"max_new_tokens": 2 * tokens - _PROMPT}


def _write(shape: Shape, older: Path, folder: Path) -> None:
    write_tokenizer(older, folder)
    tokens = tokens_of(folder)
    spec = _filled(shape, are_words(tokens))
    spec.register_vocabulary(tokens)
    for name, value in config_of(older).items():
        setattr(spec.config, name, value)
    spec.config.alignment_heads = shape.alignment_heads
    spec.validate()
    # In Whisper they are one. `spec.optimize` would find it out, by comparing every weight to every other.
    spec.decoder.projection.weight = "decoder/embeddings/weight"
    spec.save(str(folder))
    preprocessor = json.dumps({"feature_size": shape.mels})
    (folder / "preprocessor_config.json").write_text(preprocessor, encoding="utf-8")


def _filled(shape: Shape, words: NDArray[np.bool_]) -> Any:
    """Return a network's specification with its weights, but for its vocabulary."""
    dice = _Dice(shape.width)
    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    encoder, decoder = spec.encoder, spec.decoder
    for convolution, bands in ((encoder.conv1, shape.mels), (encoder.conv2, shape.width)):
        convolution.weight = dice.weights(shape.width, bands, _KERNEL)
        convolution.bias = dice.zeros(shape.width)
    for part, length in ((encoder, _FRAMES), (decoder, _LONGEST)):
        part.position_encodings.encodings = dice.weights(length, shape.width)
        dice.fill_norm(part.layer_norm)
        for layer in part.layer:
            dice.fill_layer(layer)
    embeddings = dice.weights(SIZE, shape.width)
    embeddings[:, 0] = np.where(words, 0.0, -_PULL)
    decoder.embeddings.weight = decoder.projection.weight = embeddings
    decoder.layer_norm.gamma[0], decoder.layer_norm.beta[0] = 0.0, _PUSH
    return spec


class _Dice:
    """Random weights in float16, the same ones every time.

    Args:
        width: Features of a frame or token.
    """

    def __init__(self, width: int) -> None:
        self._random = np.random.default_rng(0)
        self._width = width

    def weights(self, *sizes: int) -> NDArray[np.float16]:
        """Return an array of such sizes."""
        drawn = self._random.standard_normal(sizes, np.float32)
        drawn *= _SPREAD
        return drawn.astype(np.float16)

    def zeros(self, size: int) -> NDArray[np.float16]:
        """Return a bias."""
        return np.zeros(size, np.float16)

    def fill_norm(self, norm: Any) -> None:
        """Fill a layer normalization."""
        norm.gamma, norm.beta = np.ones(self._width, np.float16), self.zeros(self._width)

    def fill_layer(self, layer: Any) -> None:
        """Fill a layer of the encoder, or one of the decoder, which also attends to the encoder's output."""
        width = self._width
        attentions = {"self_attention": (3 * width, width), "attention": (width, 2 * width, width)}
        for name, outputs in attentions.items():
            if attention := getattr(layer, name, None):
                self.fill_norm(attention.layer_norm)
                for linear, output in zip(attention.linear, outputs, strict=True):
                    self._fill_linear(linear, output, width)
        self.fill_norm(layer.ffn.layer_norm)
        self._fill_linear(layer.ffn.linear_0, 4 * width, width)
        self._fill_linear(layer.ffn.linear_1, width, 4 * width)

    def _fill_linear(self, linear: Any, outputs: int, inputs: int) -> None:
        linear.weight, linear.bias = self.weights(outputs, inputs), self.zeros(outputs)
