"""Aligning the words of decoded windows to their audio, by faster-whisper's dynamic time warping."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from triologue_server.transcription.network import Encoded
from triologue_server.transcription.window import FRAMES_A_SECOND, AlignedWord


def align(
    model: WhisperModel,
    tokenizer: Tokenizer,
    encoded: Encoded,
    tokens: Sequence[Sequence[int]],
    num_frames: Sequence[int],
) -> list[list[AlignedWord]]:
    """Return the words of each window.

    Args:
        model: The Whisper model.
        tokenizer: Of the windows' language and task.
        encoded: (windows, frames, features), the encoder's output.
        tokens: Text and timestamp tokens of each window.
        num_frames: Length of each window, in frames.
    """
    text = [[token for token in window if token < tokenizer.eot] for window in tokens]
    # A list, since in place of one number for all the library passes on what it is given.
    alignments = model.find_alignment(tokenizer, text, encoded, list(num_frames))
    return [
        [AlignedWord.model_validate(word) for word in alignment] or spread(tokenizer, window, frames)
        for alignment, window, frames in zip(alignments, text, num_frames, strict=True)
    ]


def spread(tokenizer: Tokenizer, text: Sequence[int], num_frames: int) -> list[AlignedWord]:
    """Return the words of a window that could not be aligned, in equal shares of it by length.

    Args:
        tokenizer: Of the window's language.
        text: Text tokens.
        num_frames: Length of the window, in frames.
    """
    words, tokens = tokenizer.split_to_word_tokens(list(text))
    ends = list(accumulate((len(word) for word in words), initial=0))
    seconds = num_frames / FRAMES_A_SECOND / (ends[-1] or 1)
    return [
        AlignedWord(word=word, tokens=list(its), start=start * seconds, end=end * seconds, probability=0.0)
        for word, its, (start, end) in zip(words, tokens, pairwise(ends), strict=True)
    ]
