"""pyannote.audio's diarization pipeline in this process: what the service's is measured against."""

import math

import torch
from pyannote.core import Annotation

from triologue.keywords import DiarizationKeywords
from triologue_server.audio import SAMPLE_RATE, decode_audio, to_float
from triologue_server.diarization.networks import load_from_store
from triologue_server.settings import DiarizationSettings, Settings


def device_of(settings: DiarizationSettings) -> torch.device:
    """Return where the service's networks compute; of several GPUs, the first."""
    if settings.device == "cpu" or (settings.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    return torch.device("cuda", settings.embedding.gpus[0])


class PyannotePipeline:
    """pyannote.audio's pipeline as it comes, with the service's weights. For one thread.

    Args:
        settings: Of the service: same pipeline and device.
        threads: CPU threads, of all that PyTorch computes in this process.

    Raises:
        StoreError: Its weights are not in the model store.
    """

    def __init__(self, settings: Settings, threads: int) -> None:
        self._threads = threads
        self._pipeline = load_from_store(settings).to(device_of(settings.diarization))

    def diarize(self, audio: bytes, options: DiarizationKeywords | None = None) -> Annotation:
        """Find the turns of an encoded file.

        Raises:
            TriologueError: It cannot be decoded.
        """
        torch.set_num_threads(self._threads)
        samples = to_float(decode_audio(audio, math.inf).samples)
        file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE}
        return self._pipeline(file, **(options or {})).speaker_diarization
