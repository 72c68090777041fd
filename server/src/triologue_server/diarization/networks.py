"""The pipeline of the settings, out of the model store."""

import torch
from pyannote.audio.pipelines import SpeakerDiarization

from triologue_server.diarization.pipeline import load_pipeline
from triologue_server.settings import CoreSettings, Settings
from triologue_server.store import ModelStore, resolve_diarization


def load_from_store(settings: Settings) -> SpeakerDiarization:
    """Load the pipeline with its weights.

    Raises:
        StoreError: They are not in the model store.
    """
    return load_pipeline(
        ModelStore(settings.models).require(resolve_diarization(settings.diarization.pipeline))
    )


def load_networks(settings: Settings, core: CoreSettings) -> SpeakerDiarization:
    """Load the pipeline for a process that runs one of its networks, and keep to that process's threads.

    Args:
        settings: Of the server.
        core: Of the network; its instances share the threads.

    Raises:
        StoreError: The weights are not in the model store.
    """
    torch.set_num_threads(max(1, settings.diarization.threads // core.instances))
    return load_from_store(settings)
