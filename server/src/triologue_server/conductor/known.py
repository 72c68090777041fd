"""The voices a caller gives names to: as embeddings, or as clips that are embedded here."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from triologue.schema import (
    InvalidAudio,
    InvalidOption,
    KnownSpeaker,
    PayloadTooLarge,
    PyannoteSpeakerDiarizationParams,
)
from triologue_server.audio import Recording
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.diarizer import Diarizer
from triologue_server.diarization.diarization import Voice

LONGEST_CLIP_SECONDS = 60.0
"""A voice does not become better known by more."""

_ONE_SPEAKER = PyannoteSpeakerDiarizationParams(num_speakers=1)


class KnownVoices:
    """Finds out what known speakers sound like.

    Args:
        cores: Where the networks are.
        decode: Decodes a clip of so many seconds at most.
        pipeline: pyannote's, for all but its networks.
        clustering: Threads for clustering.
    """

    def __init__(
        self,
        cores: Cores,
        decode: Callable[[bytes, float], Awaitable[Recording]],
        pipeline: SpeakerDiarization,
        clustering: Executor,
    ) -> None:
        self._cores = cores
        self._decode = decode
        self._pipeline = pipeline
        self._clustering = clustering

    async def of(self, speakers: Sequence[KnownSpeaker]) -> dict[str, Voice]:
        """Return an embedding for each name.

        Raises:
            InvalidOption: An embedding is of another network, or a clip cannot be heard.
            TriologueError: A core refuses or fails.
        """
        voices = {}
        # One after the other, so that the clips of one caller do not flood the cores.
        for speaker in speakers:
            voices[speaker.name] = await self._voice(speaker)
        return voices

    async def _voice(self, speaker: KnownSpeaker) -> Voice:
        if speaker.clip is None:
            embedding = speaker.embedding or ()
            expected = self._pipeline._embedding.dimension
            if len(embedding) != expected:
                raise InvalidOption(
                    f"known_speakers: the embedding of {speaker.name} has {len(embedding)} values, "
                    f"and those of this server's network have {expected}; enrol the speaker here"
                )
            return np.array(embedding, np.float32)
        try:
            recording = await self._decode(base64.b64decode(speaker.clip), LONGEST_CLIP_SECONDS)
        except (InvalidAudio, PayloadTooLarge) as error:
            raise InvalidOption(f"known_speakers: the clip of {speaker.name}: {error}") from None
        voice = await self._heard_in(recording.samples)
        if voice is None:
            raise InvalidOption(f"known_speakers: nobody speaks long enough in the clip of {speaker.name}")
        return voice

    async def _heard_in(self, samples: NDArray[np.int16]) -> Voice | None:
        async def heard(stage: str, sample: int) -> None:
            pass

        diarizer = Diarizer(samples, _ONE_SPEAKER, self._cores, self._pipeline, 1, self._clustering, heard)
        await diarizer.listen()
        await diarizer.embed()
        diarization = await diarizer.cluster({})
        return next((voice for voice in diarization.voices.values() if np.isfinite(voice).all()), None)
