"""The conductor in one process: what it asks of the cores, when, and what is left when something fails.

Most of it is about order and failure, which real models would not show on demand: cores are scripted there.
"""

import asyncio
import io
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from tests.conformance.in_process import Whisper
from triologue.schema import (
    Cancelled,
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    Event,
    InfoEvent,
    InternalError,
    ProgressEvent,
    SegmentEvent,
    TimeInterval,
    TranscriptionResult,
)
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.run import Pipeline, Run
from triologue_server.diarization.embedding import EmbeddingModel, SpeakersOfSpan
from triologue_server.diarization.segmentation import SegmentationModel
from triologue_server.diarization.spans import FRAMES, SPEAKERS, WINDOWS
from triologue_server.settings import Settings
from triologue_server.transcription.processor import Features
from triologue_server.transcription.window import AlignedWord, Hypothesis, WindowOptions

pytestmark = pytest.mark.timeout(60)

Samples = NDArray[np.int16]
LIMITS = Settings(profile="embedded").limits.model_copy(update={"spans_in_flight": 2, "windows_in_flight": 3})
DIMENSION = 192


@dataclass
class ScriptedCores:
    """Cores that hear one speaker all the time, and a word a second."""

    tokenizer: Tokenizer
    """Of a Whisper model."""
    speech: bool = True
    languages: list[str] = field(default_factory=list)
    """What is detected in each window whose language is not given, in order; then English."""
    fails_at: int | None = None
    """Index of the `hypothesis` call that fails."""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    under_way: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("activity", "embeddings", "hypothesis"), 0)
    )
    most_at_once: dict[str, int] = field(default_factory=dict)

    async def activity(self, span: Samples) -> NDArray[np.uint8]:
        await self._work("activity", len(span))
        activity = np.zeros((WINDOWS, FRAMES, SPEAKERS), np.uint8)
        activity[..., 0] = self.speech
        return activity

    async def embeddings(self, span: Samples, activity: NDArray[np.uint8]) -> NDArray[np.float32]:
        await self._work("embeddings", len(span))
        embeddings = np.full((WINDOWS, SPEAKERS, DIMENSION), np.nan, np.float32)
        embeddings[:, 0] = 1.0
        return embeddings

    async def hypothesis(self, features: Features, options: WindowOptions) -> Hypothesis:
        language = options.language or (self.languages.pop(0) if self.languages else "en")
        number = len(self.of("hypothesis"))
        await self._work("hypothesis", options)
        if number == self.fails_at:
            raise InternalError("the core is gone")
        words = [self._word(f" {language}{second}", second) for second in range(features.shape[1] // 100)]
        return Hypothesis(
            language=language,
            language_confidence=1.0 if options.language else 0.9,
            tokens=[token for word in words for token in word.tokens],
            words=words if options.word_timestamps else [],
        )

    def _word(self, text: str, second: int) -> AlignedWord:
        tokens = self.tokenizer.encode(text)
        return AlignedWord(word=text, tokens=tokens, start=second, end=second + 0.5, probability=0.5)

    def of(self, core: str) -> list[Any]:
        """What a core was asked."""
        return [what for called, what in self.calls if called == core]

    async def _work(self, core: str, what: Any) -> None:
        self.calls.append((core, what))
        self.under_way[core] += 1
        self.most_at_once[core] = max(self.most_at_once.get(core, 0), self.under_way[core])
        try:
            await asyncio.sleep(0.05 if core == "hypothesis" else 0.002)
        finally:
            self.under_way[core] -= 1


class LocalCores(ScriptedCores):
    """The real diarization networks, in this process."""

    def __init__(
        self, tokenizer: Tokenizer, segmentation: SegmentationModel, embedding: EmbeddingModel
    ) -> None:
        super().__init__(tokenizer)
        self._segmentation, self._embedding = segmentation, embedding

    async def activity(self, span: Samples) -> NDArray[np.uint8]:
        return self._segmentation.activity([span])[0]

    async def embeddings(self, span: Samples, activity: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._embedding.embed([SpeakersOfSpan(span, activity)])[0]


def upload(samples: Samples) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def recording(seconds: float) -> bytes:
    return upload(np.zeros(round(seconds * 16_000), np.int16))


Scripted = Callable[..., ScriptedCores]


@pytest.fixture
def scripted(english_whisper: Whisper) -> Scripted:
    """Make scripted cores."""
    return partial(ScriptedCores, english_whisper.processor.tokenizer)


Answer = TranscriptionResult | DiarizationResult | DiarizedTranscriptionResult
Conduct = Callable[..., tuple[Answer, list[Event]]]


@pytest.fixture
def conduct(pipeline: SpeakerDiarization, english_whisper: Whisper) -> Conduct:
    """Run a recording through the conductor; nothing may be under way when it is done."""

    def conduct(
        upload: bytes,
        cores: Cores,
        asked: Pipeline = "transcription",
        on_event: Callable[[Event], None] = lambda event: None,
        **options: Any,
    ) -> tuple[Answer, list[Event]]:
        events: list[Event] = []

        async def emit(event: Event) -> None:
            events.append(event)
            on_event(event)

        async def run(pool: ThreadPoolExecutor) -> Answer:
            asked_for = DiarizedAsrOptions(**options)
            processor = english_whisper.processor
            one = Run(asked, asked_for, cores, pipeline, processor, LIMITS, pool, pool, emit)
            try:
                return await one.answer(upload)
            finally:
                assert asyncio.all_tasks() == {asyncio.current_task()}

        with ThreadPoolExecutor(4) as pool:
            return asyncio.run(run(pool)), events

    return conduct


class TestWhatTheCoresAreAsked:
    def test_transcription_asks_whisper_alone(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        answer, _ = conduct(recording(65.0), cores, "transcription", vad_filter=False)
        assert isinstance(answer, TranscriptionResult)
        assert {core for core, _ in cores.calls} == {"hypothesis"}

    def test_diarization_hears_all_of_it(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        conduct(recording(65.0), cores, "diarization")
        # Windows start at 0, 1, ... 55 s: 21, 21 and 14 of them.
        assert sorted(cores.of("activity")) == [23 * 16_000, 30 * 16_000, 30 * 16_000]

    def test_diarization_transcribes_nothing(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        answer, _ = conduct(recording(65.0), cores, "diarization")
        assert isinstance(answer, DiarizationResult)
        assert answer.speakers == ["SPEAKER_00"]
        assert cores.of("hypothesis") == []

    def test_diarized_transcription_needs_words(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        answer, _ = conduct(recording(65.0), cores, "diarized_asr", word_timestamps=False)
        assert isinstance(answer, DiarizedTranscriptionResult)
        assert all(options.word_timestamps for options in cores.of("hypothesis"))
        assert {word.speaker for segment in answer.segments for word in segment.words} == {"SPEAKER_00"}

    def test_silence_is_not_transcribed(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted(speech=False)
        answer, _ = conduct(recording(65.0), cores, "diarized_asr")
        assert cores.of("hypothesis") == []
        assert (answer.text, answer.segments, answer.turns) == ("", [], [])
        assert answer.transcription_info.language == "silence"

    def test_without_speech_detection_all_is_transcribed(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted(speech=False)
        answer, _ = conduct(recording(65.0), cores, "transcription", vad_filter=False)
        assert cores.of("activity") == []
        assert [segment.time_interval for segment in answer.segments] == [
            TimeInterval(start=0.0, end=29.5),
            TimeInterval(start=30.0, end=59.5),
            TimeInterval(start=60.0, end=64.5),
        ]

    def test_no_more_at_once_than_allowed(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        conduct(recording(400.0), cores, "diarized_asr")
        assert cores.most_at_once == {"activity": 2, "embeddings": 2, "hypothesis": 3}


class TestLanguage:
    def test_is_that_of_the_first_window(self, conduct: Conduct, scripted: Scripted) -> None:
        """The windows under way meanwhile guess, and those that guess otherwise are transcribed again."""
        cores = scripted(languages=["de", "en", "de"])
        answer, _ = conduct(recording(200.0), cores, vad_filter=False)
        assert answer.transcription_info.language == "de"
        assert answer.transcription_info.language_confidence == 0.9
        assert {word.rstrip("0123456789") for word in answer.text.split()} == {"de"}
        asked = [options.language for options in cores.of("hypothesis")]
        # Seven windows: three guess, one of them anew, and the others are told.
        assert asked.count(None) == 3
        assert asked.count("de") == 7 - 3 + 1

    def test_given_is_not_guessed(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted(languages=["de"])
        answer, _ = conduct(recording(100.0), cores, vad_filter=False, language="fr")
        assert {options.language for options in cores.of("hypothesis")} == {"fr"}
        assert answer.transcription_info.language == "fr"
        assert answer.transcription_info.language_confidence == 1.0


class TestEvents:
    def test_come_in_order(self, conduct: Conduct, scripted: Scripted) -> None:
        answer, events = conduct(recording(100.0), scripted(), "diarized_asr")
        assert events[0] == InfoEvent(audio=answer.audio)
        segments = [event.segment for event in events if isinstance(event, SegmentEvent)]
        assert "".join(segment.text for segment in segments).strip() == answer.text
        starts = [segment.time_interval.start for segment in segments]
        assert starts == sorted(starts)
        for stage in ("segmentation", "embedding", "transcription"):
            done = [
                event.completed
                for event in events
                if isinstance(event, ProgressEvent) and event.stage == stage
            ]
            assert done == sorted(done)
            assert done[-1] == 100.0

    def test_segments_come_before_the_recording_is_heard_to_its_end(
        self, conduct: Conduct, scripted: Scripted
    ) -> None:
        _, events = conduct(recording(1_800.0), scripted(), "diarized_asr")
        first_segment = next(at for at, event in enumerate(events) if isinstance(event, SegmentEvent))
        last_span = max(
            at
            for at, event in enumerate(events)
            if isinstance(event, ProgressEvent) and event.stage == "segmentation"
        )
        assert first_segment < last_span


class TestFailure:
    """`conduct` itself asserts that nothing is left under way."""

    @pytest.mark.parametrize("call", [0, 1, 5])
    def test_of_a_core(self, conduct: Conduct, scripted: Scripted, call: int) -> None:
        cores = scripted(fails_at=call)
        with pytest.raises(InternalError, match="the core is gone"):
            conduct(recording(400.0), cores, "diarized_asr")
        assert set(cores.under_way.values()) == {0}
        # Those that were under way when it failed, and no others.
        assert len(cores.of("hypothesis")) <= call + LIMITS.windows_in_flight

    @pytest.mark.parametrize("kind", [InfoEvent, ProgressEvent, SegmentEvent])
    def test_of_the_caller(self, conduct: Conduct, scripted: Scripted, kind: type) -> None:
        def go_away(event: Event) -> None:
            if isinstance(event, kind):
                raise Cancelled("the caller went away")

        cores = scripted()
        with pytest.raises(Cancelled):
            conduct(recording(400.0), cores, "diarized_asr", on_event=go_away)
        assert set(cores.under_way.values()) == {0}
        assert len(cores.of("hypothesis")) < 10


class TestTurns:
    @pytest.mark.parametrize(("start", "seconds"), [(7.0, 13.5), (7.5, 7.0), (12.0, 5.0)])
    def test_end_with_the_recording(
        self,
        conduct: Conduct,
        english_whisper: Whisper,
        segmentation: SegmentationModel,
        embedding: EmbeddingModel,
        sample: Samples,
        start: float,
        seconds: float,
    ) -> None:
        """Somebody is speaking when it ends; the last window reaches past it."""
        piece = sample[round(start * 16_000) : round((start + seconds) * 16_000)]
        answer, _ = conduct(
            upload(piece),
            LocalCores(english_whisper.processor.tokenizer, segmentation, embedding),
            "diarization",
        )
        assert len(answer.speakers) == 2
        assert max(turn.time_interval.end for turn in answer.turns) <= seconds
