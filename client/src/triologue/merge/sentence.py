"""Attribution by sentences: words go to the turn with the largest overlap, a sentence to who has most words.

This is the merge of the Aana SDK, without its defects.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from triologue.merge.spans import Span
from triologue.merge.turns import join_touching_turns
from triologue.schema.asr import AsrWord, SpeakerDiarizationSegment
from triologue.sentences import is_spoken, sentence_ends, sentences

MAX_SENTENCE_WORDS = 50
"""Longer sentences keep the speaker changes inside them."""


def by_sentence(words: Sequence[AsrWord], turns: Iterable[SpeakerDiarizationSegment]) -> list[AsrWord]:
    """Return the words with their speakers.

    A sentence goes as a whole to the speaker of at least half of its words, where there is one.

    Args:
        words: In order, at least one of them spoken.
        turns: At least one.
    """
    speakers = _speakers_by_turn(words, join_touching_turns(turns))
    speakers = _unite_sentences(words, speakers, sentence_ends(words))
    return [
        word.model_copy(update={"speaker": speaker}) for word, speaker in zip(words, speakers, strict=True)
    ]


class _Track(NamedTuple):
    """The turns of one speaker. They lie apart and in order, so starts and ends are both sorted."""

    speaker: str
    turns: list[Span]
    starts: list[float]
    ends: list[float]

    def touching(self, word: Span) -> list[Span]:
        """Return the turns that touch `word`."""
        return self.turns[bisect_left(self.ends, word.start) : bisect_right(self.starts, word.end)]

    def beside(self, word: Span) -> list[Span]:
        """Return the last turn before `word` and the first one after it, where it touches none."""
        following = bisect_left(self.ends, word.start)
        return self.turns[max(0, following - 1) : following + 1]


def _speakers_by_turn(words: Sequence[AsrWord], turns: Iterable[SpeakerDiarizationSegment]) -> list[str]:
    """Give each word the speaker of its turn, or else of the labelled word before it."""
    tracks = _tracks(turns)
    own: list[str | None] = []
    nearest: list[str | None] = []
    for word in words:
        span = Span.of(word)
        turn, speaker = _best_turn(span, tracks)
        spoken = is_spoken(word)
        own.append(speaker if spoken and _lies_in(span, turn) else None)
        nearest.append(speaker if spoken else None)
    nobody = all(speaker is None for speaker in own)
    return _fill_gaps(nearest if nobody else own)


def _tracks(turns: Iterable[SpeakerDiarizationSegment]) -> list[_Track]:
    by_speaker: dict[str, list[Span]] = {}
    for turn in turns:
        by_speaker.setdefault(turn.speaker, []).append(Span.of(turn))
    return [
        _Track(speaker, spans, [span.start for span in spans], [span.end for span in spans])
        for speaker, spans in by_speaker.items()
    ]


def _best_turn(word: Span, tracks: Iterable[_Track]) -> tuple[Span, str]:
    """Return the turn with the largest overlap, among equals the nearest, and its speaker."""
    found = [(turn, track.speaker) for track in tracks for turn in track.touching(word)]
    if len(found) == 1:
        return found[0]
    # A turn that touches the word is nearer than any that does not.
    return min(
        found or [(turn, track.speaker) for track in tracks for turn in track.beside(word)],
        key=lambda found: (-word.overlap(found[0]), word.gap(found[0]), word.distance(found[0]), found),
    )


def _lies_in(word: Span, turn: Span) -> bool:
    # Whisper writes words of no length, which overlap nothing, not even the turn around them.
    return word.overlap(turn) > 0.0 or (word.start == word.end and word.gap(turn) == 0.0)


def _fill_gaps(labels: Sequence[str | None]) -> list[str]:
    """Repeat the label before each gap; a gap at the very start takes the first label there is."""
    current = next(label for label in labels if label is not None)
    filled = []
    for label in labels:
        current = current if label is None else label
        filled.append(current)
    return filled


def _unite_sentences(words: Sequence[AsrWord], speakers: Sequence[str], ends: Sequence[bool]) -> list[str]:
    """Give each sentence to the speaker of at least half of its words, where there is one."""
    united = list(speakers)
    for first, stop in sentences(ends):
        votes = Counter(speakers[at] for at in range(first, stop) if is_spoken(words[at]))
        # Among equal counts `most_common` puts first the speaker met first.
        speaker, count = votes.most_common(1)[0]
        if votes.total() <= MAX_SENTENCE_WORDS and 2 * count >= votes.total():
            united[first:stop] = [speaker] * (stop - first)
    return united
