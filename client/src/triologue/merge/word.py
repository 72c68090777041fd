"""Attribution by words: the likeliest speaker of each, given its time and its neighbours.

Who speaks a word is a hidden Markov chain. A word's time says how likely each speaker is, as far as times can
be trusted; and the speaker changes seldom inside a sentence, more often at its end or at a pause. To take the
likeliest speaker makes the fewest words wrong, and the probability is the word's `speaker_confidence`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triologue.merge.chain import smoothed
from triologue.merge.evidence import Times, likelihoods, overlapped, times_of
from triologue.schema.asr import AsrWord, SpeakerDiarizationSegment
from triologue.sentences import is_spoken, sentence_ends

_MISTAKE = 0.02  # likelihood of a speaker who, by all times, does not speak
# Chance that the speaker changes before a word.
_INSIDE = 0.03  # a sentence
_AT_PAUSE = 0.3
_AT_END = 0.5  # of a sentence
_NOT_SPOKEN = 1e-6  # white space, closing quotes
_PAUSE_S = 0.5


def by_word(
    words: Sequence[AsrWord],
    turns: Sequence[SpeakerDiarizationSegment],
    exclusive_turns: Sequence[SpeakerDiarizationSegment] = (),
) -> list[AsrWord]:
    """Return the words with their speakers, how likely these are, and whether several speak.

    Args:
        words: In order, at least one of them spoken.
        turns: Who speaks when; at least one.
        exclusive_turns: The likeliest speaker alone, where that is known.
    """
    times = times_of(words)
    speakers, likely = likelihoods(times, turns, exclusive_turns)
    spoken = np.array([is_spoken(word) for word in words])
    likely = likely + _MISTAKE
    likely[~spoken] = 1.0
    probabilities = smoothed(likely, _changes(words, times, spoken))
    found = zip(
        words,
        probabilities.argmax(axis=1).tolist(),
        probabilities.max(axis=1).round(3).tolist(),
        overlapped(times, turns).tolist(),
        strict=True,
    )
    return [
        word.model_copy(
            update={"speaker": speakers[best], "speaker_confidence": probability, "overlapped": several}
        )
        for word, best, probability, several in found
    ]


def _changes(words: Sequence[AsrWord], times: Times, spoken: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the chance that the speaker changes before each word."""
    pauses = times[1:, 0] - times[:-1, 1]
    changes = np.full(len(words), _INSIDE)
    changes[1:][pauses >= _PAUSE_S] = _AT_PAUSE
    changes[1:][np.array(sentence_ends(words))[:-1]] = _AT_END
    changes[~spoken] = _NOT_SPOKEN
    return changes
