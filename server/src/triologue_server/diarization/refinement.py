"""A diarization and a transcript, once it is known who says each phrase."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from triologue.merge.evidence import likelihoods, overlapped, times_of
from triologue.schema import AsrWord, PyannoteSpeakerDiarizationParams, SpeakerDiarizationSegment
from triologue_server.diarization.diarization import Diarization, Voice, describe
from triologue_server.diarization.phrases import Phrase
from triologue_server.diarization.renaming import Renaming
from triologue_server.diarization.voices import Said, tell_phrases_apart


def refine(
    pipeline: SpeakerDiarization,
    diarization: Diarization,
    phrases: Sequence[Phrase],
    embeddings: NDArray[np.float32],
    options: PyannoteSpeakerDiarizationParams,
    known: Mapping[str, Voice],
) -> tuple[Diarization, list[AsrWord]] | None:
    """Return a diarization by the voices of phrases, and the words with their speakers.

    Turns keep their times, and are divided where the speaker changes.

    Args:
        pipeline: Whose clustering has the threshold.
        diarization: What the networks alone have found.
        phrases: Of the transcript, in order of time.
        embeddings: (phrases, dimension); not a number where there is none.
        options: Of the caller.
        known: Voices that have a name.

    Returns:
        `None` where phrases or turns are too few.
    """
    if not phrases or not diarization.turns:
        return None
    times = np.array([(phrase.start, phrase.end) for phrase in phrases])
    labels, heard = likelihoods(times, diarization.turns, diarization.exclusive_turns)
    threshold = options.clustering_threshold or pipeline.clustering.threshold
    said = tell_phrases_apart(phrases, embeddings, heard, threshold, options)
    if said is None:
        return None
    room = (options.num_speakers or options.max_speakers or len(said.voices) + len(labels)) - len(said.voices)
    renaming = Renaming(times, labels, heard, said, room)
    turns = renaming.turns(diarization.turns)
    exclusive_turns = renaming.exclusive_turns(diarization.exclusive_turns)
    voices = {speaker: voice.astype(np.float32) for speaker, voice in enumerate(said.voices)}
    # Who says no words sounds as diarization has heard it.
    voices |= {
        len(said.voices) + at: diarization.voices[label]
        for at, label in enumerate(labels)
        if label in diarization.voices
    }
    refined = describe(turns, exclusive_turns, voices, options, known)
    speakers = (speaker for _, _, speaker in turns)
    names = dict(zip(speakers, (turn.speaker for turn in refined.turns), strict=True))
    return refined, _words(phrases, said, names, refined.turns)


def _words(
    phrases: Sequence[Phrase],
    said: Said,
    names: Mapping[int, str],
    turns: Sequence[SpeakerDiarizationSegment],
) -> list[AsrWord]:
    words = [word for phrase in phrases for word in phrase.words]
    whose = [
        (names[speaker], confidence)
        for phrase, speaker, confidence in zip(
            phrases, said.speakers.tolist(), said.confidences.round(3).tolist(), strict=True
        )
        for _ in phrase.words
    ]
    several = overlapped(times_of(words), turns).tolist()
    return [
        word.model_copy(update={"speaker": name, "speaker_confidence": confidence, "overlapped": among})
        for word, (name, confidence), among in zip(words, whose, several, strict=True)
    ]
