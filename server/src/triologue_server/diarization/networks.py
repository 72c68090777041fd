"""The pipeline of the settings, out of the model store."""

import torch
from pyannote.audio.pipelines import SpeakerDiarization

from triologue_server.diarization.pipeline import load_pipeline
from triologue_server.loading import loading
from triologue_server.settings import CoreSettings, DiarizationSettings, Settings
from triologue_server.store import ModelStore, resolve_diarization


def load_from_store(settings: Settings) -> SpeakerDiarization:
    """Load the pipeline with its weights.

    Raises:
        StoreError: They are not in the model store.
        ModelNotLoaded: They cannot be loaded.
    """
    folder = ModelStore(settings.models).require(resolve_diarization(settings.diarization.pipeline))
    with loading(f"the diarization pipeline in {folder}"):
        return load_pipeline(folder)


def load_networks(settings: Settings) -> SpeakerDiarization:
    """Load the pipeline for a process that runs one of its networks.

    PyTorch gets one thread for what it computes. Two on one span would wait for each other at every layer, on
    a span each they do not.

    Raises:
        StoreError: The weights are not in the model store.
        ModelNotLoaded: They cannot be loaded.
    """
    torch.set_num_threads(1)
    return load_from_store(settings)


def workers_of(settings: DiarizationSettings, core: CoreSettings, *, on_gpu: bool) -> int:
    """Return how many batches an instance of a network works on side by side."""
    return 1 if on_gpu else max(1, settings.threads // core.instances)
