"""Where speech is, by the Silero network that comes with faster-whisper.

It costs a small part of what diarization's segmentation network does, whose answers are there only when a
recording is diarized.
"""

from collections.abc import Iterator

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray

from triologue.schema import WhisperParams
from triologue_server.audio import SAMPLE_RATE, to_float
from triologue_server.conductor.speech import Region
from triologue_server.transcription.window import WINDOW_SECONDS

# faster-whisper looks at a whole recording, and takes six times its memory for it.
_BLOCK_SAMPLES = 300 * SAMPLE_RATE


def speech_regions(samples: NDArray[np.int16], options: WhisperParams) -> Iterator[list[Region]]:
    """Yield the regions of a recording with speech in them, some minutes at a time.

    In batched mode none is longer than a Whisper window.
    """
    vad = _vad_options(options)
    pad = vad.speech_pad_ms * SAMPLE_RATE // 1000
    start = 0
    while start < len(samples):
        stop = min(start + _BLOCK_SAMPLES, len(samples))
        found = [
            Region(start + speech["start"], start + speech["end"])
            for speech in get_speech_timestamps(to_float(samples[start:stop]), vad)
        ]
        following = stop
        if stop < len(samples):
            if not found or found[-1].stop < stop:
                # Who speaks up right behind the block is left room.
                following = max(found[-1].stop if found else start, stop - pad)
            elif found[-1].start > start + _BLOCK_SAMPLES // 2:
                # It may go on: the next block begins with it.
                following = found.pop().start
        yield found
        start = following


def _vad_options(options: WhisperParams) -> VadOptions:
    given = options.vad_parameters.model_dump(exclude_none=True) if options.vad_parameters else {}
    if options.mode == "batched":
        # What faster-whisper's batched pipeline takes: many places to cut at.
        given = {"min_silence_duration_ms": 160, **given}
        given["max_speech_duration_s"] = min(
            WINDOW_SECONDS, given.get("max_speech_duration_s", WINDOW_SECONDS)
        )
    return VadOptions(**given)
