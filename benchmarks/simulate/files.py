"""Simulated conversations as files: FLAC or WAV, RTTM, STM, and the line of a manifest."""

from enum import Enum
from pathlib import Path

import av
import numpy as np

from benchmarks.simulate.conversation import Conversation
from benchmarks.speech import Samples
from triologue_server.audio import SAMPLE_RATE

_BLOCK = 60 * SAMPLE_RATE


class Format(str, Enum):
    """Format of audio files, which is their suffix as well."""

    FLAC = "flac"
    WAV = "wav"

    @property
    def codec(self) -> str:
        """What FFmpeg calls the encoder."""
        return "flac" if self is Format.FLAC else "pcm_s16le"


def save(
    conversation: Conversation, folder: Path, name: str, file_format: Format
) -> dict[str, str | int | None]:
    """Write a conversation into a folder, and return its line for the manifest there.

    `benchmarks/recordings.py` describes manifests. There is an STM file only where all words are known.
    """
    audio = f"{name}.{file_format.value}"
    write_audio(conversation.samples, folder / audio, file_format)
    entry: dict[str, str | int | None] = {"audio": audio}
    for kind, text in (("rttm", conversation.rttm(name)), ("stm", conversation.stm(name))):
        if text is not None:
            entry[kind] = f"{name}.{kind}"
            (folder / f"{name}.{kind}").write_text(text, encoding="utf-8")
    return entry | {"language": conversation.language, "speakers": len(conversation.speakers)}


def write_audio(samples: Samples, path: Path, file_format: Format) -> None:
    """Encode samples a minute at a time."""
    with av.open(path, "w", format=file_format.value) as output:
        stream = output.add_stream(file_format.codec, rate=SAMPLE_RATE, layout="mono")
        for start in range(0, len(samples), _BLOCK):
            block = np.ascontiguousarray(samples[None, start : start + _BLOCK])
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
