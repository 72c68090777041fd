"""A pipeline like community-1: clustering by VBx over PLDA, from its folder alone."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation, Segment, SlidingWindow, SlidingWindowFeature
from pyannote.metrics.diarization import DiarizationErrorRate

from tests.conformance.test_published_pipeline import CONFIG
from tests.conformance.test_published_pipeline import folder as _agglomerative_folder
from triologue.schema import PyannoteSpeakerDiarizationParams
from triologue_server.diarization.diarization import diarize
from triologue_server.diarization.pipeline import load_pipeline
from triologue_server.diarization.spans import FRAMES, SPEAKERS

agglomerative_folder = _agglomerative_folder

DIMENSION, PLDA_DIMENSION = 256, 128
HOP = 16_000
PEOPLE = 4
WINDOWS = 91
TURN_SECONDS = 6.3


@pytest.fixture(scope="module")
def pipeline(agglomerative_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> SpeakerDiarization:
    """Laid out like community-1, with a PLDA that nobody trained."""
    folder = tmp_path_factory.mktemp("community") / "pipeline"
    shutil.copytree(agglomerative_folder, folder)
    config = copy.deepcopy(CONFIG)
    config["pipeline"]["params"] |= {  # type: ignore[index]
        "clustering": "VBxClustering",
        "plda": {"checkpoint": "$model/plda"},
    }
    config["params"] = {
        "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
        "segmentation": {"min_duration_off": 0.0},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "plda").mkdir()
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(DIMENSION, PLDA_DIMENSION)))
    np.savez(
        folder / "plda" / "xvec_transform.npz",
        mean1=np.zeros(DIMENSION),
        mean2=np.zeros(PLDA_DIMENSION),
        lda=axes,
    )
    np.savez(
        folder / "plda" / "plda.npz",
        mu=np.zeros(PLDA_DIMENSION),
        tr=np.eye(PLDA_DIMENSION),
        psi=np.linspace(10.0, 1.0, PLDA_DIMENSION),
    )
    return load_pipeline(folder)


@pytest.fixture(scope="module")
def heard() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Four people who speak one after the other, again and again, and their voices."""
    random = np.random.default_rng(1)
    voices = random.normal(size=(PEOPLE, DIMENSION))
    activity = np.zeros((WINDOWS, FRAMES, SPEAKERS), np.uint8)
    embeddings = np.full((WINDOWS, SPEAKERS, DIMENSION), np.nan, np.float32)
    for window in range(WINDOWS):
        turn = ((window + 10 * np.arange(FRAMES) / FRAMES) // TURN_SECONDS).astype(int)
        for speaker, number in enumerate(np.unique(turn)):
            activity[window, turn == number, speaker] = 1
            embeddings[window, speaker] = voices[number % PEOPLE] + 0.3 * random.normal(size=DIMENSION)
    return activity, embeddings


@pytest.mark.parametrize("options", [{}, {"num_speakers": 2}, {"min_speakers": 5}, {"max_speakers": 3}])
def test_turns_are_those_of_pyannote(
    pipeline: SpeakerDiarization,
    heard: tuple[NDArray[np.uint8], NDArray[np.float32]],
    options: dict[str, int],
) -> None:
    activity, embeddings = heard
    own = diarize(pipeline, activity, embeddings, HOP, 100.0, PyannoteSpeakerDiarizationParams(**options), {})
    theirs = copy.copy(pipeline)
    theirs.get_segmentations = lambda file, hook=None: SlidingWindowFeature(
        activity.astype(np.float32), SlidingWindow(duration=10.0, step=1.0, start=0.0)
    )
    theirs.get_embeddings = lambda *arguments, **keywords: embeddings
    output = theirs.apply({"uri": "talk"}, **options)
    for turns, annotation in (
        (own.turns, output.speaker_diarization),
        (own.exclusive_turns, output.exclusive_speaker_diarization),
    ):
        found = Annotation()
        for number, turn in enumerate(turns):
            found[Segment(turn.time_interval.start, turn.time_interval.end), number] = turn.speaker
        # Where as many windows hear one as the other, pyannote takes whom sorting happens to put first.
        assert DiarizationErrorRate()(annotation, found) < 0.01
        assert len(found.labels()) == len(annotation.labels())


def test_everybody_is_found(
    pipeline: SpeakerDiarization, heard: tuple[NDArray[np.uint8], NDArray[np.float32]]
) -> None:
    found = diarize(pipeline, *heard, HOP, 100.0, PyannoteSpeakerDiarizationParams(), {})
    assert len(found.voices) == PEOPLE
