"""Who spoke when, from what the two networks said of a whole recording."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from triologue.schema import PyannoteSpeakerDiarizationParams, SpeakerDiarizationSegment, TimeInterval
from triologue_server.diarization.clustering import tell_apart
from triologue_server.diarization.known import recognise
from triologue_server.diarization.reconstruction import Reconstruction, Turn

Voice = NDArray[np.float32]
"""(dimension,): an embedding, of any length."""


@dataclass(frozen=True)
class Diarization:
    """What is known about the speakers of a recording."""

    turns: list[SpeakerDiarizationSegment] = field(default_factory=list)
    """In order of time; those of different speakers may overlap."""
    exclusive_turns: list[SpeakerDiarizationSegment] = field(default_factory=list)
    """In order of time; at most one speaker at a time."""
    voices: dict[str, Voice] = field(default_factory=dict)
    """The mean embedding of each speaker, by label."""
    known: dict[str, float] = field(default_factory=dict)
    """Which labels are names, and how similar the voices are."""
    warnings: list[str] = field(default_factory=list)
    """What the caller should be told."""


def diarize(
    pipeline: SpeakerDiarization,
    activity: NDArray[np.uint8],
    embeddings: NDArray[np.float32],
    hop: int,
    duration: float,
    options: PyannoteSpeakerDiarizationParams,
    known: Mapping[str, Voice],
) -> Diarization:
    """Cluster and reconstruct.

    Args:
        pipeline: From `load_pipeline`; safe to use from several threads.
        activity: (windows, frames, speakers), 0 or 1.
        embeddings: (windows, speakers, dimension); not a number where a speaker is not active.
        hop: From one window to the next, in samples.
        duration: Length of the recording in seconds; turns end there.
        options: Of the caller.
        known: Voices that have a name.

    Returns:
        Speakers that are not known are labelled by order of first appearance.
    """
    if not activity.any():
        return Diarization()
    voices = tell_apart(pipeline, activity, embeddings, hop, options)
    gap = options.min_duration_off
    if gap is None:
        gap = pipeline.segmentation.min_duration_off
    found = Reconstruction(activity, voices.speakers, hop, options.num_speakers or options.max_speakers)
    # Some have no voice: who is heard only while as many others speak as could be told apart, or too shortly.
    centroids = {speaker: voice for speaker, voice in enumerate(voices.centroids) if np.isfinite(voice).all()}
    return describe(
        _within(found.turns(gap), duration),
        _within(found.exclusive_turns(gap), duration),
        centroids,
        options,
        known,
    )


def describe(
    turns: Sequence[Turn],
    exclusive_turns: Sequence[Turn],
    voices: Mapping[int, Voice],
    options: PyannoteSpeakerDiarizationParams,
    known: Mapping[str, Voice],
) -> Diarization:
    """Give speakers their labels.

    Args:
        turns: In order of time.
        exclusive_turns: The same.
        voices: The voice of each speaker, or of most.
        options: Of the caller.
        known: Voices that have a name.
    """
    speakers = list(dict.fromkeys(speaker for _, _, speaker in turns))  # by first appearance
    heard = {speaker: voices[speaker] for speaker in speakers if speaker in voices}
    recognised = recognise(heard, known, options.known_speaker_threshold)
    labels = {
        speaker: recognised[speaker].name if speaker in recognised else f"SPEAKER_{place:02d}"
        for place, speaker in enumerate(speakers)
    }
    return Diarization(
        turns=_labelled(turns, labels),
        exclusive_turns=_labelled(exclusive_turns, labels),
        voices={labels[speaker]: voice for speaker, voice in heard.items()},
        known={match.name: match.similarity for match in recognised.values()},
        warnings=_unmet_bounds(len(labels), options),
    )


def _within(turns: Iterable[Turn], duration: float) -> list[Turn]:
    """Leave out what lies past the end of the recording, where the last window reaches."""
    rounded = [(round(start, 3), min(round(end, 3), duration), speaker) for start, end, speaker in turns]
    return [turn for turn in rounded if turn[0] < turn[1]]


def _labelled(turns: Iterable[Turn], labels: Mapping[int, str]) -> list[SpeakerDiarizationSegment]:
    return [
        SpeakerDiarizationSegment(time_interval=TimeInterval(start=start, end=end), speaker=labels[speaker])
        for start, end, speaker in turns
    ]


def _unmet_bounds(found: int, options: PyannoteSpeakerDiarizationParams) -> list[str]:
    low = options.num_speakers or options.min_speakers
    high = options.num_speakers or options.max_speakers
    if (low or 0) <= found <= (high or found):
        return []
    if low == high:
        wanted = f"exactly {low}"
    elif low and high:
        wanted = f"from {low} to {high}"
    else:
        wanted = f"at least {low}" if low else f"at most {high}"
    return [f"{wanted} speakers were asked for, but {found} could be told apart"]
