"""The embedding core against pyannote's way: each (window, speaker) pair embedded on its own."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation, SlidingWindow, SlidingWindowFeature

from triologue_server.audio import to_float
from triologue_server.diarization.embedding import EmbeddingModel, SpeakersOfSpan
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.spans import FRAMES, SPEAKERS, WINDOWS, AudioOfSpan, num_windows, spans

Samples = NDArray[np.int16]
Activity = NDArray[np.uint8]
Embeddings = NDArray[np.float32]

HOP = 16_000


def embed(
    segmentation: SegmentationModel, embedding: EmbeddingModel, samples: Samples, hop: int = HOP
) -> tuple[Activity, Embeddings]:
    """What the two cores make of a recording, both of all its windows."""
    layout = list(spans(len(samples), hop))
    pieces = [AudioOfSpan(samples[span.start : span.stop], hop) for span in layout]
    activities = segmentation.activity(pieces)
    embeddings = embedding.embed([SpeakersOfSpan(*work) for work in zip(pieces, activities, strict=True)])
    return (
        np.concatenate([activity[: span.windows] for span, activity in zip(layout, activities, strict=True)]),
        np.concatenate([voices[: span.windows] for span, voices in zip(layout, embeddings, strict=True)]),
    )


def embed_as_pyannote(
    pipeline: SpeakerDiarization, samples: Samples, activity: Activity, hop: int = HOP
) -> Embeddings:
    file = {"waveform": torch.from_numpy(to_float(samples))[None], "sample_rate": 16_000, "uri": "sample"}
    window = SlidingWindow(start=0.0, duration=10.0, step=hop / 16_000)
    segmentations = SlidingWindowFeature(activity.astype(np.float32), window)
    embeddings: Embeddings = pipeline.get_embeddings(file, segmentations, pipeline.embedding_exclude_overlap)
    return embeddings


def similarity(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Cosine similarity over the last axis."""
    return np.sum(one * other, axis=-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)


class _Recorder:
    """Stands where pyannote's pipeline has its embedding network, and keeps the masks it is given."""

    def __init__(self, network: Any) -> None:
        self.min_num_samples = network.min_num_samples
        self.sample_rate = network.sample_rate
        self.masks: list[torch.Tensor] = []

    def __call__(self, waveforms: torch.Tensor, masks: torch.Tensor) -> NDArray[np.float32]:
        self.masks.append(masks)
        return np.zeros((len(waveforms), 1), np.float32)


def masks_of_pyannote(pipeline: SpeakerDiarization, activity: Activity) -> NDArray[np.float32]:
    """(windows, speakers, frames)."""
    recording = copy.copy(pipeline)
    recording._embedding = _Recorder(pipeline._embedding)
    embed_as_pyannote(recording, np.zeros((len(activity) + 9) * 16_000, np.int16), activity)
    masks: NDArray[np.float32] = torch.cat(recording._embedding.masks).numpy()
    return masks.reshape(len(activity), SPEAKERS, FRAMES)


class TestMasks:
    def test_of_the_sample(
        self,
        pipeline: SpeakerDiarization,
        segmentation: SegmentationModel,
        embedding: EmbeddingModel,
        sample: Samples,
    ) -> None:
        (activity,) = segmentation.activity([AudioOfSpan(sample, HOP)])
        assert np.array_equal(embedding._masks(activity), masks_of_pyannote(pipeline, activity))

    def test_of_any_activity(self, pipeline: SpeakerDiarization, embedding: EmbeddingModel) -> None:
        """With speakers of whom nothing, little and enough is left without overlap."""
        chance = np.random.default_rng(0)
        activity = np.zeros((30, FRAMES, SPEAKERS), np.uint8)
        for window in activity:
            for speaker in range(SPEAKERS):
                start, length = chance.integers(0, FRAMES), chance.choice([0, 3, 10, 60, 300])
                window[start : start + length, speaker] = 1
        assert np.array_equal(embedding._masks(activity), masks_of_pyannote(pipeline, activity))

    def test_overlap_is_left_out_where_enough_is_left(self, embedding: EmbeddingModel) -> None:
        activity = np.zeros((1, FRAMES, SPEAKERS), np.uint8)
        activity[0, 100:300, 0] = 1
        activity[0, 250:300, 1] = 1  # speaks over the first, and at no other time
        masks = embedding._masks(activity)
        assert np.flatnonzero(masks[0, 0]).tolist() == list(range(100, 250))
        assert np.flatnonzero(masks[0, 1]).tolist() == list(range(250, 300))
        assert not masks[0, 2].any()


class TestVoices:
    @pytest.mark.parametrize(
        ("start", "stop", "hop"),
        [
            pytest.param(6.0, 26.0, HOP, id="20 s in steps of one"),
            pytest.param(7.0, 17.1, HOP, id="10.1 s: the last window reaches 0.9 s past the end"),
            pytest.param(6.0, 28.0, 53_330, id="22 s: the last window reaches 1.3 s past the end"),
            pytest.param(9.0, 29.0, 80_000, id="20 s in steps of five"),
        ],
    )
    def test_are_those_pyannote_hears(
        self,
        pipeline: SpeakerDiarization,
        segmentation: SegmentationModel,
        embedding: EmbeddingModel,
        sample: Samples,
        start: float,
        stop: float,
        hop: int,
    ) -> None:
        """The trunk hears the whole span at once, so that they are near and not the same."""
        samples = sample[int(start * 16_000) : int(stop * 16_000)]
        activity, embeddings = embed(segmentation, embedding, samples, hop)
        assert len(activity) == num_windows(len(samples), hop)
        theirs = embed_as_pyannote(pipeline, samples, activity, hop)
        near = similarity(embeddings, theirs)[activity.any(axis=1)]
        assert len(near) >= 4
        assert np.quantile(near, 0.25) > 0.95
        assert near.min() > 0.87

    @pytest.mark.parametrize(("start", "stop"), [(12, 17), (20, 23), (26, 30), (17, 23)])
    def test_of_a_recording_shorter_than_a_window(
        self,
        segmentation: SegmentationModel,
        embedding: EmbeddingModel,
        sample: Samples,
        reference: Annotation,
        start: int,
        stop: int,
    ) -> None:
        """Each voice found in it is nearer to that speaker's in the whole sample than to the other's."""
        voices = _reference_voices(embedding, sample, reference)
        activity, embeddings = embed(segmentation, embedding, sample[start * 16_000 : stop * 16_000])
        heard = np.flatnonzero(activity[0].any(axis=0))
        assert len(heard) == 2
        spoken = [_speaker_of(activity[0, :, speaker], start, reference) for speaker in heard]
        assert set(spoken) == set(voices)
        nearest = [
            max(voices, key=lambda name: similarity(voices[name], embeddings[0, speaker]))
            for speaker in heard
        ]
        assert nearest == spoken

    def test_of_those_who_are_not_active_are_not_numbers(
        self, segmentation: SegmentationModel, embedding: EmbeddingModel, sample: Samples
    ) -> None:
        audio = AudioOfSpan(sample[: 12 * 16_000], HOP)
        (activity,) = segmentation.activity([audio])
        (embeddings,) = embedding.embed([SpeakersOfSpan(audio, activity)])
        assert embeddings.shape == (WINDOWS, SPEAKERS, 192)
        assert embeddings.dtype == np.float32
        active = activity.any(axis=1)
        assert 0 < active.sum() < active.size
        assert np.array_equal(np.isfinite(embeddings).all(axis=2), active)
        assert np.array_equal(np.isnan(embeddings).all(axis=2), ~active)

    @pytest.mark.parametrize("samples", [1, 100, 16_000])
    def test_of_silence_and_next_to_nothing(self, embedding: EmbeddingModel, samples: int) -> None:
        activity = np.zeros((WINDOWS, FRAMES, SPEAKERS), np.uint8)
        if samples < 1_000:
            activity[0, :3, 0] = 1  # too short to be embedded
        audio = AudioOfSpan(np.zeros(samples, np.int16), HOP)
        (embeddings,) = embedding.embed([SpeakersOfSpan(audio, activity)])
        assert np.isnan(embeddings).all()


def _reference_voices(
    embedding: EmbeddingModel, sample: Samples, reference: Annotation
) -> dict[str, NDArray[np.float32]]:
    """Embed all that each speaker says alone, without masks or spans."""
    voices = {}
    for speaker in reference.labels():
        turns = reference.label_timeline(speaker).extrude(reference.get_overlap())
        speech = np.concatenate([sample[int(turn.start * 16_000) : int(turn.end * 16_000)] for turn in turns])
        with torch.inference_mode():
            voices[speaker] = embedding._model(torch.from_numpy(to_float(speech))[None, None])[0].numpy()
    return voices


def _speaker_of(active: NDArray[np.uint8], start: float, reference: Annotation) -> str:
    """Return who speaks most in the frames of a window that starts at `start`."""
    times = start + (np.flatnonzero(active) + 0.5) * 10.0 / FRAMES
    spoken = {
        speaker: sum(reference.label_timeline(speaker).overlapping(time) != [] for time in times)
        for speaker in reference.labels()
    }
    return max(spoken, key=lambda speaker: spoken[speaker])
