"""Where sentences end, in a transcript given as words."""

import string
from collections.abc import Iterator, Sequence

from triologue.schema.asr import AsrWord

_SENTENCE_MARKS = (".", "?", "!", "。", "？", "！", "…", "؟", "।", "॥", "۔")
# The last three are a non-breaking, a narrow non-breaking and an ideographic space.
_WHITE_SPACE = string.whitespace + "\u00a0\u202f\u3000"
# “ closes what „ opens in German. « stays out: French opens with it, and Whisper makes it a word of its own.
_CLOSING = "\"'”’“»›)]}）］｝」』】》〉〕" + _WHITE_SPACE


def is_spoken(word: AsrWord) -> bool:
    """Tell a word from white space and closing quotes, which go wherever the word before them goes."""
    return bool(word.word.strip(_CLOSING))


def sentence_ends(words: Sequence[AsrWord]) -> list[bool]:
    """Say for each word whether it is the last of its sentence."""
    ends = [word.word.rstrip(_CLOSING).endswith(_SENTENCE_MARKS) for word in words]
    for at in range(1, len(words)):
        if not is_spoken(words[at]):
            ends[at - 1], ends[at] = False, ends[at - 1]
    return ends


def sentences(ends: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield the bounds of each sentence; the last one needs no end mark."""
    first = 0
    for at, is_end in enumerate(ends):
        if is_end or at == len(ends) - 1:
            yield first, at + 1
            first = at + 1


def split_sentences(words: Sequence[AsrWord]) -> list[list[AsrWord]]:
    """Cut words into sentences; the last one needs no end mark."""
    return [list(words[first:stop]) for first, stop in sentences(sentence_ends(words))]
