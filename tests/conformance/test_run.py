"""The conductor in one process: what it asks of the cores, when, and what is left when something fails.

Most of it is about order and failure, which real models would not show on demand: cores are scripted there.
"""

import asyncio
import io
import wave
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray
from pyannote.audio.pipelines import SpeakerDiarization

from tests.conformance.diarizing import Networks
from tests.conformance.in_process import Whisper, decode
from triologue.schema import (
    Cancelled,
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    Event,
    InfoEvent,
    InternalError,
    InvalidOption,
    KnownSpeaker,
    ProgressEvent,
    SegmentEvent,
    TimeInterval,
    TranscriptionResult,
)
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.run import Pipeline, Run
from triologue_server.diarization.spans import FRAMES, SPEAKERS, WINDOWS
from triologue_server.settings import Settings
from triologue_server.transcription.processor import Features
from triologue_server.transcription.window import (
    FRAMES_A_SECOND,
    WINDOW_SECONDS,
    AlignedWord,
    Hypothesis,
    WindowOptions,
)

pytestmark = pytest.mark.timeout(60)

Samples = NDArray[np.int16]
LIMITS = Settings(profile="embedded").limits.model_copy(update={"spans_in_flight": 2, "windows_in_flight": 3})
DIMENSION = 192


@dataclass
class ScriptedCores:
    """Cores that hear one speaker all the time, and a word a second, such as "en7".

    Asked for timestamps, they write one before each word and one behind it, and where they stopped.
    """

    tokenizer: Tokenizer
    """Of a Whisper model."""
    speech: bool = True
    languages: list[str] = field(default_factory=list)
    """What is detected in each window whose language is not given, in order; then English."""
    fails_at: int | None = None
    """Index of the `hypothesis` call that fails."""
    words: int = WINDOW_SECONDS
    """How many they write down of a window, at most."""
    word_seconds: float = 0.5
    """How long each of them is."""
    together: int = 1
    """How many windows they wait for before they answer the first."""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    under_way: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("activity", "embeddings", "hypothesis"), 0)
    )
    most_at_once: dict[str, int] = field(default_factory=dict)
    _all_together: asyncio.Event = field(default_factory=asyncio.Event)

    async def activity(self, span: Samples, hop: int) -> NDArray[np.uint8]:
        await self._work("activity", (len(span), hop))
        activity = np.zeros((WINDOWS, FRAMES, SPEAKERS), np.uint8)
        activity[..., 0] = self.speech
        return activity

    async def embeddings(self, span: Samples, hop: int, activity: NDArray[np.uint8]) -> NDArray[np.float32]:
        await self._work("embeddings", (len(span), hop, len(activity)))
        embeddings = np.full((len(activity), SPEAKERS, DIMENSION), np.nan, np.float32)
        embeddings[:, 0] = 1.0
        return embeddings

    async def hypothesis(self, features: Features, options: WindowOptions) -> Hypothesis:
        language = options.language or (self.languages.pop(0) if self.languages else "en")
        number = len(self.of("hypothesis"))
        await self._work("hypothesis", options)
        if number == self.fails_at:
            raise InternalError("the core is gone")
        seconds = features.shape[1] // FRAMES_A_SECOND
        words = [self._word(f" {language}{second}", second) for second in range(min(seconds, self.words))]
        return Hypothesis(
            language=language,
            language_confidence=1.0 if options.language else 0.9,
            tokens=self._tokens(words, seconds if options.without_timestamps is False else None),
            words=words if options.word_timestamps else [],
        )

    def _word(self, text: str, second: int) -> AlignedWord:
        tokens = self.tokenizer.encode(text)
        end = second + self.word_seconds
        return AlignedWord(word=text, tokens=tokens, start=second, end=end, probability=0.5)

    def _tokens(self, words: list[AlignedWord], seconds: int | None) -> list[int]:
        if seconds is None:
            return [token for word in words for token in word.tokens]
        tokens = [
            token for word in words for token in (self._at(word.start), *word.tokens, self._at(word.end))
        ]
        # Two timestamps at the end say that there is more.
        return tokens if len(words) == seconds else [*tokens, tokens[-1]]

    def _at(self, seconds: float) -> int:
        return self.tokenizer.timestamp_begin + round(50 * seconds)

    def of(self, core: str) -> list[Any]:
        """What a core was asked."""
        return [what for called, what in self.calls if called == core]

    async def _work(self, core: str, what: Any) -> None:
        self.calls.append((core, what))
        self.under_way[core] += 1
        self.most_at_once[core] = max(self.most_at_once.get(core, 0), self.under_way[core])
        if self.under_way["hypothesis"] == self.together:
            self._all_together.set()
        try:
            await asyncio.sleep(0.01 if core == "hypothesis" else 0.002)
            await self._waited_for(core)
        finally:
            self.under_way[core] -= 1

    async def _waited_for(self, core: str) -> None:
        if core == "hypothesis":
            await self._all_together.wait()


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


def untimed(cores: ScriptedCores, tokens: Sequence[int]) -> str:
    """Return the text of tokens without their timestamps."""
    return cores.tokenizer.decode(list(tokens))


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
            one = Run(asked, asked_for, cores, decode, pipeline, processor, LIMITS, pool, pool, emit)
            try:
                return await one.answer(upload)
            finally:
                assert asyncio.all_tasks() == {asyncio.current_task()}

        # With one thread, windows come to the cores in order.
        with ThreadPoolExecutor(1) as pool:
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
        seconds, hop = 16_000, 16_000
        assert sorted(cores.of("activity")) == [(23 * seconds, hop), (30 * seconds, hop), (30 * seconds, hop)]
        assert sorted(cores.of("embeddings")) == [
            (23 * seconds, hop, 14),
            (30 * seconds, hop, 21),
            (30 * seconds, hop, 21),
        ]

    @pytest.mark.parametrize(
        ("step", "asked"),
        [
            # Windows start at 0, 0.5, ... 55 s: five times 21 of them and six.
            (0.05, [(12.5, 8_000, 6), *[(20.0, 8_000, 21)] * 5]),
            # Windows start at 0, 2, ... 56 s, the last one reaching past the end: 11, 11 and 7 of them.
            (0.2, [(21.0, 32_000, 7), (30.0, 32_000, 11), (30.0, 32_000, 11)]),
            # Windows start at 0, 5, ... 55 s: 5, 5 and 2 of them.
            (0.5, [(15.0, 80_000, 2), (30.0, 80_000, 5), (30.0, 80_000, 5)]),
            # Windows start at 0, 10, ... 60 s: 3, 3 and one, half of it past the end.
            (1.0, [(5.0, 160_000, 1), (30.0, 160_000, 3), (30.0, 160_000, 3)]),
        ],
    )
    def test_diarization_hears_all_of_it_in_steps(
        self, conduct: Conduct, scripted: Scripted, step: float, asked: list[tuple[float, int, int]]
    ) -> None:
        cores = scripted()
        answer, events = conduct(recording(65.0), cores, "diarization", segmentation_step=step)
        assert sorted(cores.of("activity")) == [(round(s * 16_000), hop) for s, hop, _ in asked]
        assert sorted(cores.of("embeddings")) == [(round(s * 16_000), hop, n) for s, hop, n in asked]
        assert answer.speakers == ["SPEAKER_00"]
        assert answer.turns[-1].time_interval.end == pytest.approx(65.0, abs=0.2)
        for stage in ("segmentation", "embedding"):
            done = [event.completed for event in events if getattr(event, "stage", None) == stage]
            assert done == sorted(done)
            assert done[-1] == 65.0

    @pytest.mark.parametrize("step", [0.05, 0.3, 1.0])
    def test_speech_is_found_in_steps_too(self, conduct: Conduct, scripted: Scripted, step: float) -> None:
        cores = scripted()
        answer, _ = conduct(recording(65.0), cores, "diarized_asr", segmentation_step=step)
        assert 60 <= len(answer.text.split()) <= 65
        assert {segment.speaker for segment in answer.segments} == {"SPEAKER_00"}

    def test_phrases_are_heard_while_others_are_written(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        answer, _ = conduct(recording(300.0), cores, "diarized_asr")
        assert isinstance(answer, DiarizedTranscriptionResult)
        assert len(cores.of("embeddings")) > len(cores.of("activity"))
        assert cores.most_at_once["embeddings"] <= 2 * LIMITS.spans_in_flight
        called = [core for core, _ in cores.calls]
        last_written = len(called) - 1 - called[::-1].index("hypothesis")
        assert called[:last_written].count("embeddings") > len(cores.of("activity"))
        words = [word for segment in answer.segments for word in segment.words]
        assert {word.speaker for word in words} == {"SPEAKER_00"}
        assert {word.speaker_confidence for word in words} == {1.0}

    @pytest.mark.parametrize("attribution", ["word", "sentence"])
    def test_without_voices_no_phrases_are_heard(
        self, conduct: Conduct, scripted: Scripted, attribution: str
    ) -> None:
        cores = scripted()
        conduct(recording(65.0), cores, "diarized_asr", attribution=attribution)
        assert len(cores.of("embeddings")) == len(cores.of("activity"))

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

    def test_speech_of_a_transcription_is_found_by_itself(
        self, conduct: Conduct, scripted: Scripted, sample: Samples
    ) -> None:
        cores = scripted()
        answer, _ = conduct(upload(sample), cores, "transcription", word_timestamps=True)
        assert {core for core, _ in cores.calls} == {"hypothesis"}
        assert 5.0 < answer.segments[0].time_interval.start < 7.0

    @pytest.mark.parametrize("mode", ["batched", "sequential"])
    @pytest.mark.parametrize("asked", ["transcription", "diarized_asr"])
    def test_silence_is_not_transcribed(
        self, conduct: Conduct, scripted: Scripted, asked: Pipeline, mode: str
    ) -> None:
        cores = scripted(speech=False)
        answer, _ = conduct(recording(65.0), cores, asked, mode=mode)
        assert cores.of("hypothesis") == []
        assert (answer.text, answer.segments) == ("", [])
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
        cores = scripted(together=3)
        conduct(recording(400.0), cores, "diarized_asr")
        assert cores.most_at_once == {"activity": 2, "embeddings": 2, "hypothesis": 3}


class TestLanguage:
    def test_is_that_of_the_first_window(self, conduct: Conduct, scripted: Scripted) -> None:
        """The windows under way meanwhile guess, and those that guess otherwise are transcribed again."""
        cores = scripted(languages=["de", "en", "de"], together=3)
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


class TestSequential:
    """One window after the other, each from where the last one ended."""

    def test_each_is_told_what_was_said(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted(words=20)
        answer, _ = conduct(recording(50.0), cores, mode="sequential", vad_filter=False)
        assert cores.most_at_once == {"hypothesis": 1}
        assert answer.text.split() == [f"en{second}" for second in (*range(20), *range(20), *range(11))]
        told = [untimed(cores, options.previous_tokens).split() for options in cores.of("hypothesis")]
        assert told == [[], answer.text.split()[:20], answer.text.split()[:40]]
        # The last word of a window ends at 19.5 s, and there the next one begins.
        starts = [segment.time_interval.start for segment in answer.segments]
        assert starts == [*range(20), *(19.5 + second for second in range(20)), *range(39, 50)]

    def test_of_all_that_was_said_the_end_is_told(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        conduct(recording(300.0), cores, mode="sequential", vad_filter=False)
        told = [options.previous_tokens for options in cores.of("hypothesis")]
        assert [len(tokens) for tokens in told[-4:]] == [448] * 4
        assert untimed(cores, told[-1]).endswith(" en27 en28 en29")

    def test_prefix_is_for_the_beginning(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        conduct(recording(65.0), cores, mode="sequential", vad_filter=False, prefix="So")
        assert [options.prefix for options in cores.of("hypothesis")] == ["So", None, None]

    @pytest.mark.parametrize(
        ("leads_on", "prompts"), [(True, ["A call."] * 3), (False, ["A call.", None, None])]
    )
    def test_prompt_is_forgotten_with_what_was_said(
        self, conduct: Conduct, scripted: Scripted, leads_on: bool, prompts: list[str | None]
    ) -> None:
        cores = scripted()
        options = {"mode": "sequential", "vad_filter": False, "initial_prompt": "A call."}
        conduct(recording(65.0), cores, condition_on_previous_text=leads_on, **options)
        asked = cores.of("hypothesis")
        assert [options.initial_prompt for options in asked] == prompts
        assert [bool(options.previous_tokens) for options in asked] == [False, leads_on, leads_on]

    def test_text_that_gets_nowhere_is_left_behind(self, conduct: Conduct, scripted: Scripted) -> None:
        """Timestamps that do not move on would have the same window heard for ever."""

        class StandingStill(ScriptedCores):
            async def hypothesis(self, features: Features, options: WindowOptions) -> Hypothesis:
                heard = await super().hypothesis(features, options)
                begin = self.tokenizer.timestamp_begin
                return heard.model_copy(update={"tokens": [begin, begin, *self.tokenizer.encode(" en")]})

        cores = StandingStill(scripted().tokenizer)
        conduct(recording(65.0), cores, mode="sequential", vad_filter=False)
        assert len(cores.of("hypothesis")) == 3

    def test_clips_alone_are_heard(self, conduct: Conduct, scripted: Scripted) -> None:
        clips = (10.0, 14.0, 57.0)
        answer, _ = conduct(recording(60.0), scripted(), mode="sequential", clip_timestamps=clips)
        starts = [segment.time_interval.start for segment in answer.segments]
        assert starts == [10.0, 11.0, 12.0, 13.0, 57.0, 58.0, 59.0]

    def test_speech_alone_is_heard(self, conduct: Conduct, scripted: Scripted, composed: Samples) -> None:
        """Silences of five seconds and more are left out, and times are those of the recording."""
        cores = scripted()
        answer, events = conduct(upload(composed), cores, mode="sequential")
        assert {core for core, _ in cores.calls} == {"hypothesis"}
        assert 40 < len(answer.text.split()) < 55
        starts = [segment.time_interval.start for segment in answer.segments]
        assert starts == sorted(starts)
        assert starts[0] > 5.0
        assert not any(43.5 < start < 49.0 for start in starts)
        done = [event.completed for event in events if isinstance(event, ProgressEvent)]
        assert done == sorted(done)
        assert 61.0 < done[-1] < 64.0

    def test_words_get_speakers(self, conduct: Conduct, scripted: Scripted, sample: Samples) -> None:
        cores = scripted()
        answer, _ = conduct(upload(sample), cores, "diarized_asr", mode="sequential")
        assert all(options.word_timestamps for options in cores.of("hypothesis"))
        assert {word.speaker for segment in answer.segments for word in segment.words} == {"SPEAKER_00"}

    def test_language_is_looked_for_until_it_is_certain(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted(languages=["fr", "de", "de"])
        votes = {"language_detection_segments": 3, "language_detection_threshold": 0.95}
        answer, _ = conduct(recording(100.0), cores, mode="sequential", vad_filter=False, **votes)
        assert answer.transcription_info.language == "de"
        asked = cores.of("hypothesis")
        # The first window is transcribed again, in the language that was found.
        assert [options.detect_only for options in asked] == [False, True, True, *[False] * 4]
        assert [options.language for options in asked] == [None] * 3 + ["de"] * 4
        assert {word.rstrip("0123456789") for word in answer.text.split()} == {"de"}

    @pytest.mark.parametrize("call", [0, 2])
    def test_failure_of_a_core_ends_it(self, conduct: Conduct, scripted: Scripted, call: int) -> None:
        cores = scripted(fails_at=call)
        with pytest.raises(InternalError, match="the core is gone"):
            conduct(recording(400.0), cores, mode="sequential", vad_filter=False)
        assert len(cores.of("hypothesis")) == call + 1


class TestShortest:
    @pytest.mark.parametrize("mode", ["batched", "sequential"])
    @pytest.mark.parametrize("samples", [1, 159, 480_001])
    def test_less_than_a_frame_is_no_window(
        self, conduct: Conduct, scripted: Scripted, samples: int, mode: str
    ) -> None:
        cores = scripted()
        upload_of = upload(np.zeros(samples, np.int16))
        answer, _ = conduct(upload_of, cores, mode=mode, vad_filter=False)
        assert len(cores.of("hypothesis")) == samples // 480_000
        assert answer.transcription_info.language == ("en" if answer.segments else "silence")


class TestWarnings:
    def test_options_without_effect_are_told(self, conduct: Conduct, scripted: Scripted) -> None:
        answer, _ = conduct(recording(1.0), scripted(), prompt_reset_on_temperature=0.1)
        assert answer.warnings == ["prompt_reset_on_temperature: has no effect in batched mode"]

    def test_words_of_a_diarized_transcription_are_timed(self, conduct: Conduct, scripted: Scripted) -> None:
        options = {"mode": "sequential", "hallucination_silence_threshold": 1.0}
        answer, _ = conduct(recording(1.0), scripted(), "diarized_asr", **options)
        assert answer.warnings == []


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


class TestKnownSpeakers:
    """The scripted voice is a vector of ones."""

    ONES = KnownSpeaker(name="Ann", embedding=(1.0,) * DIMENSION)

    @pytest.mark.parametrize("asked", ["diarization", "diarized_asr"])
    def test_give_their_names_to_turns_and_words(
        self, conduct: Conduct, scripted: Scripted, asked: Pipeline
    ) -> None:
        answer, _ = conduct(
            recording(40.0), scripted(), asked, known_speakers=[self.ONES], speaker_embeddings=True
        )
        assert answer.speakers == ["Ann"]
        assert {turn.speaker for turn in answer.exclusive_turns} == {"Ann"}
        assert answer.known_speakers == {"Ann": 1.0}
        assert answer.speaker_embeddings == {"Ann": pytest.approx((1.0,) * DIMENSION)}
        if isinstance(answer, DiarizedTranscriptionResult):
            assert {segment.speaker for segment in answer.segments} == {"Ann"}
            assert {word.speaker for segment in answer.segments for word in segment.words} == {"Ann"}

    def test_clips_are_heard_one_after_the_other(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        known = [KnownSpeaker.from_clip(name, recording(seconds)) for name, seconds in [("A", 5), ("B", 45)]]
        answer, _ = conduct(
            recording(12.0), cores, "diarization", known_speakers=known, segmentation_step=0.5
        )
        # Clips are heard in steps of a second, whatever the recording is heard in.
        heard = [(5 * 16_000, 16_000), (30 * 16_000, 16_000), (24 * 16_000, 16_000)]
        in_order = [what for what in cores.of("activity") if what != (12 * 16_000, 80_000)]
        assert in_order == heard
        assert len(cores.of("activity")) == 4
        # Both sound alike, and one of them it is.
        assert len(answer.known_speakers) == 1

    def test_do_not_matter_to_a_transcription(self, conduct: Conduct, scripted: Scripted) -> None:
        cores = scripted()
        conduct(recording(12.0), cores, "transcription", known_speakers=[self.ONES], vad_filter=False)
        assert cores.of("activity") == []

    @pytest.mark.parametrize("asked", ["diarization", "diarized_asr"])
    @pytest.mark.parametrize(
        ("known", "message"),
        [
            (
                KnownSpeaker(name="Zoë", embedding=(1.0, 2.0)),
                r"the embedding of Zoë has 2 values, .* have 192;",
            ),
            (KnownSpeaker.from_clip("Zoë", b"no audio"), "the clip of Zoë: the upload is not a media file"),
            (
                KnownSpeaker.from_clip("Zoë", recording(60.1)),
                "the clip of Zoë: the recording is longer than the 60 s",
            ),
        ],
    )
    def test_that_cannot_be_heard_are_refused(
        self, conduct: Conduct, scripted: Scripted, asked: Pipeline, known: KnownSpeaker, message: str
    ) -> None:
        """And nothing is left under way, as `conduct` asserts."""
        cores = scripted()
        with pytest.raises(InvalidOption, match=f"^known_speakers: {message}"):
            conduct(recording(400.0), cores, asked, known_speakers=[self.ONES, known])
        assert set(cores.under_way.values()) == {0}

    def test_failure_of_a_core_at_a_clip_ends_it(self, conduct: Conduct, scripted: Scripted) -> None:
        class NoEmbeddings(ScriptedCores):
            async def embeddings(
                self, span: Samples, hop: int, activity: NDArray[np.uint8]
            ) -> NDArray[np.float32]:
                raise InternalError("the core is gone")

        known = [KnownSpeaker.from_clip("Ann", recording(5.0))]
        with pytest.raises(InternalError, match="the core is gone"):
            conduct(
                recording(400.0), NoEmbeddings(scripted().tokenizer), "diarized_asr", known_speakers=known
            )


@dataclass
class VoicesInSamples(ScriptedCores):
    """Cores to which a phrase sounds like the number that its samples are.

    Diarization still hears one speaker.
    """

    word_seconds: float = 0.9
    behind: int = 1
    """How many windows Whisper is asked for before it is said what the first phrases sound like."""
    phrases_fail: bool = False
    _may_be_heard: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.under_way["phrases"] = 0

    async def embeddings(self, span: Samples, hop: int, activity: NDArray[np.uint8]) -> NDArray[np.float32]:
        if activity[..., 0].all():
            return await super().embeddings(span, hop, activity)
        await self._work("phrases", len(span))
        if self.phrases_fail:
            raise InternalError("the core is gone")
        embeddings = np.full((len(activity), SPEAKERS, DIMENSION), np.nan, np.float32)
        for window, speaker in np.argwhere(activity.any(axis=1)):
            middle = np.flatnonzero(activity[window, :, speaker]).mean() / FRAMES * 160_000
            embeddings[window, speaker] = np.eye(DIMENSION)[span[round(window * hop + middle)]]
        return embeddings

    async def _waited_for(self, core: str) -> None:
        await super()._waited_for(core)
        if len(self.of("hypothesis")) >= self.behind:
            self._may_be_heard.set()
        if core == "phrases":
            await self._may_be_heard.wait()


class TestPhrases:
    """Two voices, ten seconds each, and words of nearly a second."""

    SECONDS = 100
    WHO = np.arange(SECONDS) // 10 % 2

    @pytest.fixture
    def two(self) -> bytes:
        return upload(np.repeat(self.WHO, 16_000).astype(np.int16))

    @pytest.fixture
    def cores(self, scripted: Scripted) -> VoicesInSamples:
        return VoicesInSamples(scripted().tokenizer)

    @pytest.mark.parametrize("mode", ["batched", "sequential"])
    def test_divide_turns(self, conduct: Conduct, cores: VoicesInSamples, two: bytes, mode: str) -> None:
        answer, _ = conduct(two, cores, "diarized_asr", mode=mode, vad_filter=mode == "batched")
        words = [word for segment in answer.segments for word in segment.words]
        assert "".join(word.word for word in words).strip() == answer.text
        assert len(words) == pytest.approx(self.SECONDS, abs=5)
        for word in words:
            middle = (word.time_interval.start + word.time_interval.end) / 2
            # A phrase of three seconds may reach into what the other one says.
            if 3.0 < middle % 10 < 7.0:
                assert word.speaker == f"SPEAKER_0{self.WHO[int(middle)]}"
        for turns in (answer.turns, answer.exclusive_turns):
            assert [turn.speaker for turn in turns] == ["SPEAKER_00", "SPEAKER_01"] * 5
            starts = [turn.time_interval.start for turn in turns]
            assert starts == pytest.approx(range(0, self.SECONDS, 10), abs=2.0)

    @pytest.mark.parametrize("attribution", ["word", "sentence"])
    def test_are_not_heard_for_words_by_times(
        self, conduct: Conduct, cores: VoicesInSamples, two: bytes, attribution: str
    ) -> None:
        answer, _ = conduct(two, cores, "diarized_asr", attribution=attribution)
        assert cores.of("phrases") == []
        assert answer.speakers == ["SPEAKER_00"]

    @pytest.mark.parametrize("asked", ["diarization", "transcription"])
    def test_are_not_heard_for_half_of_it(
        self, conduct: Conduct, cores: VoicesInSamples, two: bytes, asked: Pipeline
    ) -> None:
        conduct(two, cores, asked, attribution="voice")
        assert cores.of("phrases") == []

    def test_are_known_by_name(self, conduct: Conduct, cores: VoicesInSamples, two: bytes) -> None:
        zoe = KnownSpeaker(name="Zoë", embedding=tuple(3.0 * np.eye(DIMENSION)[1]))
        answer, _ = conduct(two, cores, "diarized_asr", known_speakers=[zoe], speaker_embeddings=True)
        assert answer.speakers == ["SPEAKER_00", "Zoë"]
        assert list(answer.known_speakers) == list(answer.speaker_embeddings)[1:] == ["Zoë"]
        assert {segment.speaker for segment in answer.segments} == {"SPEAKER_00", "Zoë"}

    @pytest.mark.parametrize(
        ("speakers", "found"),
        [(1, 1), (2, 2), (5, 2)],
    )
    def test_are_as_many_as_asked_for(
        self, conduct: Conduct, cores: VoicesInSamples, two: bytes, speakers: int, found: int
    ) -> None:
        """Options that have no effect are told before that."""
        options = {"num_speakers": speakers, "vad_filter": False, "vad_parameters": {"threshold": 0.4}}
        answer, _ = conduct(two, cores, "diarized_asr", **options)
        assert len(answer.speakers) == found
        assert (
            answer.warnings
            == [
                "vad_parameters: has no effect without vad_filter",
                "exactly 5 speakers were asked for, but 2 could be told apart",
            ][: 1 if found == speakers else 2]
        )

    def test_no_more_at_once_than_allowed(self, conduct: Conduct, cores: VoicesInSamples) -> None:
        """They are slow, and those of twelve windows wait for them."""
        cores.behind = 12
        conduct(recording(400.0), cores, "diarized_asr")
        assert len(cores.of("phrases")) >= 12
        assert cores.most_at_once["phrases"] == LIMITS.spans_in_flight

    def test_are_heard_while_others_are_written(self, conduct: Conduct, cores: VoicesInSamples) -> None:
        conduct(recording(400.0), cores, "diarized_asr")
        called = [core for core, _ in cores.calls]
        assert called.index("phrases") < len(called) - 1 - called[::-1].index("hypothesis")

    def test_failure_of_a_core_at_one_ends_it(self, conduct: Conduct, cores: VoicesInSamples) -> None:
        """And nothing is left under way, as `conduct` asserts."""
        cores.phrases_fail = True
        with pytest.raises(InternalError, match="the core is gone"):
            conduct(recording(1_800.0), cores, "diarized_asr")
        assert set(cores.under_way.values()) == {0}
        assert len(cores.of("phrases")) <= LIMITS.spans_in_flight
        # Of the sixty.
        assert len(cores.of("hypothesis")) < 30

    def test_failure_of_whisper_ends_them(self, conduct: Conduct, cores: VoicesInSamples) -> None:
        cores.fails_at = 5
        with pytest.raises(InternalError, match="the core is gone"):
            conduct(recording(400.0), cores, "diarized_asr")
        assert set(cores.under_way.values()) == {0}


class TestTurns:
    @pytest.mark.parametrize(("start", "seconds"), [(7.0, 13.5), (7.5, 7.0), (12.0, 5.0)])
    def test_end_with_the_recording(
        self,
        networks: Networks,
        pipeline: SpeakerDiarization,
        sample: Samples,
        start: float,
        seconds: float,
    ) -> None:
        """Somebody is speaking when it ends; the last window reaches past it."""
        piece = sample[round(start * 16_000) : round((start + seconds) * 16_000)]
        answer = networks.diarize(pipeline, upload(piece))
        assert len(answer.speakers) == 2
        assert max(turn.time_interval.end for turn in answer.turns) <= seconds
