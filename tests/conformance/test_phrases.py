"""The voices of phrases, by the real networks."""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.core import Annotation, Segment

from tests.conformance.diarizing import Networks, Samples, assert_in_order_and_inside, error_rate
from tests.conformance.in_process import THREADS, Whisper, decode
from tests.server.recordings import wav
from triologue import AsrWord, SpeakerDiarizationSegment, TimeInterval
from triologue.schema import (
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    Event,
    PyannoteSpeakerDiarizationParams,
)
from triologue_server.audio import SAMPLE_RATE
from triologue_server.conductor.run import Run
from triologue_server.diarization.diarization import Diarization
from triologue_server.diarization.embedding import SpeakersOfSpan
from triologue_server.diarization.phrases import HOP, Phrase, PhrasesOfSpan, lay_out, phrases
from triologue_server.diarization.refinement import refine
from triologue_server.diarization.spans import AudioOfSpan
from triologue_server.settings import Settings
from triologue_server.transcription.processor import Features
from triologue_server.transcription.window import Hypothesis, WindowOptions


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


def test_a_phrase_by_itself_sounds_like_its_speaker(
    networks: Networks, sample: Samples, reference: Annotation
) -> None:
    """Though the network hears nothing around it."""
    long = [(speaker, phrase) for speaker, phrase in sentences(reference) if phrase.end - phrase.start > 1.0]
    (span,) = lay_out([phrase for _, phrase in long], len(sample))
    together = voices(networks, sample, span)
    for at, (speaker, phrase) in enumerate(long):
        (span,) = lay_out([phrase], len(sample))
        alike = together @ voices(networks, sample, span)[0]
        own = [alike[other] for other, (one, _) in enumerate(long) if one == speaker and other != at]
        assert np.mean(own) > np.mean([alike[other] for other, (one, _) in enumerate(long) if one != speaker])


@dataclass(frozen=True)
class RealCores:
    """All three cores, in this process."""

    networks: Networks
    whisper: Whisper

    async def activity(self, span: Samples, hop: int) -> NDArray[np.uint8]:
        return await self.networks.activity(span, hop)

    async def embeddings(self, span: Samples, hop: int, activity: NDArray[np.uint8]) -> NDArray[np.float32]:
        return await self.networks.embeddings(span, hop, activity)

    async def hypothesis(self, features: Features, options: WindowOptions) -> Hypothesis:
        return await self.whisper.hypothesis(features, options)


def transcribe_diarized(
    cores: RealCores, pipeline: SpeakerDiarization, samples: Samples, **options: Any
) -> DiarizedTranscriptionResult:
    async def ignore(event: Event) -> None:
        pass

    async def run(pool: ThreadPoolExecutor) -> DiarizedTranscriptionResult:
        limits, asked = Settings(profile="embedded").limits, DiarizedAsrOptions(**options)
        processor = cores.whisper.processor
        run = Run("diarized_asr", asked, cores, decode, pipeline, processor, limits, pool, pool, ignore)
        answer = await run.answer(wav(samples))
        assert isinstance(answer, DiarizedTranscriptionResult)
        return answer

    with ThreadPoolExecutor(THREADS) as pool:
        return asyncio.run(run(pool))


def speakers_of(
    words: Iterable[AsrWord], reference: Annotation, margin: float = 0.25
) -> list[tuple[str | None, str]]:
    """Return who says each word, and who does by the reference, where it names but one around it."""
    found = []
    for word in words:
        time = word.time_interval
        around = reference.crop(Segment(time.start - margin, time.end + margin)).labels()
        if len(around) == 1:
            found.append((word.speaker, around[0]))
    return found


def assert_told_apart(found: Sequence[tuple[str | None, str]]) -> None:
    """Assert that words are on the right speaker.

    Near the end, where one begins while the other is still speaking, a word is timed too early.
    """
    names = {"SPEAKER_00": "speaker90", "SPEAKER_01": "speaker91"}
    assert len(found) > 40
    assert {speaker for speaker, _ in found} == set(names)
    assert sum(names[speaker or ""] != expected for speaker, expected in found) <= 2


@pytest.mark.parametrize("mode", ["batched", "sequential"])
def test_words_of_the_sample(
    networks: Networks,
    whisper: Whisper,
    pipeline: SpeakerDiarization,
    sample: Samples,
    reference: Annotation,
    mode: str,
) -> None:
    answer = transcribe_diarized(RealCores(networks, whisper), pipeline, sample, mode=mode)
    assert answer.speakers == ["SPEAKER_00", "SPEAKER_01"]
    assert error_rate(answer.turns, reference) < 0.10
    assert_in_order_and_inside(answer.turns, 30.0)
    assert_in_order_and_inside(answer.exclusive_turns, 30.0)
    words = [word for segment in answer.segments for word in segment.words]
    found = speakers_of(words, reference)
    assert_told_apart(found)
    assert all(0.5 <= (word.speaker_confidence or 0.0) <= 1.0 for word in words)


@pytest.mark.parametrize("options", [{}, {"num_speakers": 2}])
def test_two_whom_diarization_takes_for_one_are_told_apart(
    networks: Networks,
    whisper: Whisper,
    pipeline: SpeakerDiarization,
    sample: Samples,
    reference: Annotation,
    options: dict[str, int],
) -> None:
    """By the voices of phrases alone."""
    segments = whisper.transcribe(sample, word_timestamps=True).segments
    written = list(phrases([word for segment in segments for word in segment.words]))
    embeddings = np.concatenate([voices(networks, sample, span) for span in lay_out(written, len(sample))])
    turns = [SpeakerDiarizationSegment(speaker="A", time_interval=TimeInterval(start=6.5, end=30.0))]
    asked = PyannoteSpeakerDiarizationParams(**options)
    refined = refine(pipeline, Diarization(turns, turns), written, embeddings, asked, {})
    assert refined is not None
    diarization, words = refined
    assert [word.word for word in words] == [word.word for segment in segments for word in segment.words]
    # Half a second at the beginning is too short to tell.
    later = [word for word in words if word.time_interval.start > 8.0]
    found = speakers_of(later, reference)
    assert_told_apart(found)
    assert error_rate(diarization.turns, reference) < 0.25
