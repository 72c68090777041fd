"""The voices of phrases, by the real networks."""

import numpy as np
from numpy.typing import NDArray
from pyannote.core import Annotation

from tests.conformance.diarizing import Networks, Samples
from triologue import AsrWord, TimeInterval
from triologue_server.audio import SAMPLE_RATE
from triologue_server.diarization.embedding import SpeakersOfSpan
from triologue_server.diarization.phrases import HOP, Phrase, PhrasesOfSpan, lay_out
from triologue_server.diarization.spans import AudioOfSpan


def sentences(reference: Annotation) -> list[tuple[str, Phrase]]:
    """The turns of a reference, as phrases of one long word each, and who says them."""
    found = []
    for turn, _, speaker in reference.itertracks(yield_label=True):
        interval = TimeInterval(start=turn.start, end=min(turn.end, turn.start + 3.0))
        word = AsrWord(word=" So.", time_interval=interval, alignment_confidence=1.0)
        found.append((speaker, Phrase((word,), continues=False)))
    return found


def voices(networks: Networks, samples: Samples, span: PhrasesOfSpan) -> NDArray[np.float32]:
    audio = AudioOfSpan(samples[span.start : span.stop], HOP)
    (embeddings,) = networks.embedding.embed([SpeakersOfSpan(audio, span.activity)])
    found = np.stack([embeddings[place] for place in span.places])
    normalized: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return normalized


def test_phrases_of_one_speaker_sound_alike(
    networks: Networks, sample: Samples, reference: Annotation
) -> None:
    long = [(speaker, phrase) for speaker, phrase in sentences(reference) if phrase.end - phrase.start > 1.0]
    (span,) = lay_out([phrase for _, phrase in long], len(sample))
    found = voices(networks, sample, span)
    assert np.isfinite(found).all()
    alike = found @ found.T
    own = [[one == other for other, _ in long] for one, _ in long]
    apart = ~np.eye(len(long), dtype=bool)
    assert alike[np.array(own) & apart].mean() > alike[~np.array(own)].mean() + 0.2


def test_a_phrase_sounds_the_same_wherever_it_lies_in_a_span(networks: Networks, sample: Samples) -> None:
    """Also in a window that reaches past the end of the audio."""
    start, stop = round(14.4 * SAMPLE_RATE), round(17.4 * SAMPLE_RATE)
    places = []
    for window in (6, 10, 14):
        span = PhrasesOfSpan(0, len(sample))
        span._put(window, 1, start - window * HOP, stop - window * HOP)
        places.append(voices(networks, sample, span)[0])
    cut = PhrasesOfSpan(0, stop)
    cut._put(14, 0, start - 14 * HOP, stop - 14 * HOP)
    places.append(voices(networks, sample, cut)[0])
    assert (np.stack(places) @ places[0] > 0.9).all()
