"""The way from turns and segments to segments with speakers."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from triologue.merge.segments import join_neighbours, origins_by_distance, origins_by_membership, regroup
from triologue.merge.sentence import by_sentence
from triologue.schema.asr import AsrSegment, AsrWord, SpeakerDiarizationSegment
from triologue.sentences import is_spoken

Attribution: TypeAlias = Literal["word", "sentence"]


def attribute(
    segments: Sequence[AsrSegment],
    turns: Sequence[SpeakerDiarizationSegment],
    exclusive_turns: Sequence[SpeakerDiarizationSegment] = (),
    attribution: Attribution = "word",
) -> list[AsrSegment]:
    """Return a transcript as segments of one speaker each, with speakers on the words too.

    The transcript comes back as it is when it holds no words or there are no turns.

    Args:
        segments: The transcript, in order of time.
        turns: Who speaks when; several may at once.
        exclusive_turns: The likeliest speaker alone, where that is known. Of no use to sentences.
        attribution: `word` finds the likeliest speaker of each word, `sentence` gives a sentence as a whole
            to the speaker of at least half of its words.

    Raises:
        ValueError: A segment has text but no words.
    """
    if not turns or not segments:
        return list(segments)
    words = _words_of(segments)
    if not any(map(is_spoken, words)):
        return list(segments)
    if attribution == "sentence":
        originals = [segment for segment in segments if segment.words]
        return regroup(by_sentence(words, turns), originals, origins_by_distance(words, originals))
    # NumPy takes a while to load, and most of what the client does needs none.
    from triologue.merge.word import by_word

    return with_speakers(segments, by_word(words, turns, exclusive_turns))


def with_speakers(segments: Iterable[AsrSegment], words: Sequence[AsrWord]) -> list[AsrSegment]:
    """Return a transcript as segments of one speaker each.

    Args:
        segments: The transcript.
        words: All of its words, at least one, with their speakers.

    Raises:
        ValueError: A segment has text but no words.
    """
    segments = list(segments)
    _words_of(segments)
    originals = [segment for segment in segments if segment.words]
    return regroup(words, originals, origins_by_membership(originals))


class PostProcessingForDiarizedAsr:
    """The merge of the Aana SDK, by its name."""

    @staticmethod
    def process(
        diarized_segments: Sequence[SpeakerDiarizationSegment],
        transcription_segments: Sequence[AsrSegment],
        merge: bool = False,
    ) -> list[AsrSegment]:
        """Do what `attribute` does by sentences; `merge` joins neighbouring segments of one speaker again.

        Raises:
            ValueError: A segment has text but no words.
        """
        segments = attribute(transcription_segments, diarized_segments, attribution="sentence")
        return join_neighbours(segments) if merge else segments


def _words_of(segments: Iterable[AsrSegment]) -> list[AsrWord]:
    words: list[AsrWord] = []
    for segment in segments:
        if segment.text.strip() and not segment.words:
            raise ValueError("Word-level timestamps are required for diarized ASR.")
        words += segment.words
    return words
