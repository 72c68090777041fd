"""The Whisper core with real models: what it says, and that no window depends on its neighbours."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from triologue.schema import AsrSegment, InvalidOption, WhisperParams
from triologue_server.audio import to_float
from triologue_server.transcription.alignment import align_words
from triologue_server.transcription.decoding import Decoded
from triologue_server.transcription.segments import to_schema
from triologue_server.transcription.whisper import WhisperCore, WindowRequest
from triologue_server.transcription.window import WindowTranscript

Samples = NDArray[np.int16]

OPENING = "Hello. Hello. Oh, hello. I didn't know you were there."
ENGLISH = WhisperParams(language="en")
WITH_WORDS = WhisperParams(language="en", word_timestamps=True)
SILENCE = np.zeros(5 * 16_000, np.int16)


def transcribe(core: WhisperCore, *windows: tuple[Samples, WhisperParams]) -> list[WindowTranscript]:
    answers = core.transcribe([WindowRequest(*window) for window in windows])
    assert len(answers) == len(windows)
    for answer in answers:
        assert isinstance(answer, WindowTranscript)
    return answers


def text(segments: Sequence[AsrSegment]) -> str:
    return "".join(segment.text for segment in segments).strip()


@pytest.fixture(scope="module")
def opening(sample: Samples) -> Samples:
    """The first 10 s, up to "... there."."""
    return sample[: 10 * 16_000]


@pytest.fixture(scope="module")
def with_words(whisper: WhisperCore, sample: Samples) -> WindowTranscript:
    """The whole sample, its words aligned."""
    (transcript,) = transcribe(whisper, (sample, WITH_WORDS))
    return transcript


class Counting:
    """A CTranslate2 model that notes how many windows each call of `generate` and `encode` is for."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.generated: list[int] = []
        self.encoded: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, encoded: Any, prompts: Any, **options: Any) -> Any:
        self.generated.append(len(prompts))
        return self._model.generate(encoded, prompts, **options)

    def encode(self, features: Any, **options: Any) -> Any:
        self.encoded.append(features.shape[0])
        return self._model.encode(features, **options)


@pytest.fixture
def counting(english_whisper: WhisperCore, monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting(english_whisper._model.model)
    monkeypatch.setattr(english_whisper._model, "model", counting)
    return counting


class TestText:
    def test_opening(self, with_words: WindowTranscript) -> None:
        assert text(with_words.segments).startswith(OPENING)
        assert (with_words.language, with_words.language_confidence) == ("en", 1.0)

    def test_is_that_of_faster_whisper(
        self, whisper: WhisperCore, sample: Samples, with_words: WindowTranscript
    ) -> None:
        segments, _ = whisper._model.transcribe(
            to_float(sample),
            language="en",
            without_timestamps=True,
            vad_filter=False,
            condition_on_previous_text=False,
        )
        (theirs,) = segments
        assert text(with_words.segments) == theirs.text.strip()
        assert with_words.segments[0].confidence == pytest.approx(math.exp(theirs.avg_logprob), abs=1e-3)
        assert with_words.segments[0].no_speech_confidence == pytest.approx(theirs.no_speech_prob, abs=1e-3)

    def test_with_timestamps_too(self, whisper: WhisperCore, opening: Samples) -> None:
        options = {"language": "en", "without_timestamps": False, "word_timestamps": True}
        (ours,) = transcribe(whisper, (opening, WhisperParams(**options)))
        theirs, _ = whisper._model.transcribe(
            to_float(opening), vad_filter=False, condition_on_previous_text=False, **options
        )
        # What is behind the last timestamp faster-whisper hears again, as a window of its own.
        segments = [segment for segment in theirs if segment.seek == 0]
        assert [segment.text for segment in ours.segments] == [segment.text for segment in segments]
        assert [
            (word.word, word.time_interval.start, word.time_interval.end)
            for segment in ours.segments
            for word in segment.words
        ] == [
            (word.word, pytest.approx(word.start, abs=0.005), pytest.approx(word.end, abs=0.005))
            for segment in segments
            for word in segment.words
        ]

    def test_without_timestamps_a_window_is_one_segment(self, whisper: WhisperCore, opening: Samples) -> None:
        options = WhisperParams(language="en", without_timestamps=True)
        (transcript,) = transcribe(whisper, (opening, options))
        (segment,) = transcript.segments
        assert "Oh, hello. I didn't know you were there." in segment.text
        assert (segment.time_interval.start, segment.time_interval.end) == (0.0, 10.0)
        assert segment.words == []

    def test_language_is_detected(self, whisper: WhisperCore, opening: Samples) -> None:
        (transcript,) = transcribe(whisper, (opening, WhisperParams()))
        assert transcript.language == "en"
        assert 0.9 < transcript.language_confidence < 1.0


class TestWords:
    def test_segments_are_sentences(self, with_words: WindowTranscript) -> None:
        assert [segment.text for segment in with_words.segments][:4] == [
            " Hello.",
            " Hello.",
            " Oh, hello.",
            " I didn't know you were there.",
        ]
        assert all(segment.text.endswith((".", "?", "!")) for segment in with_words.segments[:-1])

    def test_texts_of_the_words_are_the_text(self, with_words: WindowTranscript) -> None:
        for segment in with_words.segments:
            assert "".join(word.word for word in segment.words) == segment.text

    def test_times_rise_inside_segment_and_window(self, with_words: WindowTranscript) -> None:
        words = [word for segment in with_words.segments for word in segment.words]
        times = [time for word in words for time in (word.time_interval.start, word.time_interval.end)]
        assert times == sorted(times)
        assert times[0] >= 0.0
        assert times[-1] <= 30.0
        for segment in with_words.segments:
            assert segment.time_interval.start == segment.words[0].time_interval.start
            assert segment.time_interval.end == segment.words[-1].time_interval.end

    def test_are_where_the_speakers_say_them(self, with_words: WindowTranscript) -> None:
        """In the reference the first two turns start at 6.69 and 7.55 s, and "Oh, hello." at 8.44 s."""
        starts = [segment.time_interval.start for segment in with_words.segments]
        assert starts[:3] == [
            pytest.approx(6.69, abs=0.4),
            pytest.approx(7.55, abs=0.4),
            pytest.approx(8.4, abs=0.4),
        ]

    def test_are_left_out_when_not_asked_for(self, whisper: WhisperCore, opening: Samples) -> None:
        """The sentences are timed by words all the same."""
        bare, worded = transcribe(whisper, (opening, ENGLISH), (opening, WITH_WORDS))
        assert [segment.words for segment in bare.segments] == [[]] * len(worded.segments)
        assert [(segment.text, segment.time_interval) for segment in bare.segments] == [
            (segment.text, segment.time_interval) for segment in worded.segments
        ]

    @pytest.mark.parametrize(
        "texts",
        [
            pytest.param([" Hello.", " Oh, hello."], id="nothing crosses"),
            pytest.param([" Hello", "."], id="the mark of a sentence"),
            pytest.param([' Hello "', " Oh", " hello."], id="an opening quote"),
            pytest.param([" Hel", "lo.", " Oh"], id="half a word"),
        ],
    )
    def test_no_word_is_said_twice_when_segments_cut_through_it(
        self, whisper: WhisperCore, sample: Samples, texts: list[str]
    ) -> None:
        """Whisper may write timestamps anywhere; a word across one goes to the first of the two segments."""
        tokenizer = Tokenizer(whisper._model.hf_tokenizer, True, "transcribe", "en")
        raw = [
            {"seek": 0, "start": 6.0 + at, "end": 7.0 + at, "tokens": tokenizer.encode(part)}
            for at, part in enumerate(texts)
        ]
        encoded = whisper._encode([sample])
        options = WhisperParams(word_timestamps=True, without_timestamps=False)
        align_words(whisper._model, tokenizer, encoded, [raw], [30.0], options)
        decoded = Decoded(tokens=[], avg_logprob=-0.2, no_speech_prob=0.1, compression_ratio=1.0)
        segments = list(to_schema(raw, decoded, tokenizer, 30.0, options))
        assert text(segments) == "".join(texts).strip()


class TestBatch:
    def test_a_window_does_not_depend_on_its_batch(
        self, whisper: WhisperCore, sample: Samples, with_words: WindowTranscript
    ) -> None:
        _, in_batch, *_ = transcribe(
            whisper,
            (sample[8 * 16_000 : 12 * 16_000], WhisperParams()),
            (sample, WITH_WORDS),
            (SILENCE, WITH_WORDS),
            (sample[14 * 16_000 : 18 * 16_000], WITH_WORDS),
        )
        assert in_batch == with_words

    def test_answers_are_in_the_order_of_the_windows(
        self, english_whisper: WhisperCore, sample: Samples, opening: Samples
    ) -> None:
        rest = sample[12 * 16_000 : 18 * 16_000]
        answers = transcribe(
            english_whisper, (opening, ENGLISH), (SILENCE, WITH_WORDS), (rest, ENGLISH), (rest, WITH_WORDS)
        )
        assert ["know you were there" in text(answer.segments) for answer in answers] == [
            True,
            False,
            False,
            False,
        ]
        assert ["This is Diane" in text(answer.segments) for answer in answers] == [False, False, True, True]
        assert [any(segment.words for segment in answer.segments) for answer in answers] == [
            False,
            False,
            False,
            True,
        ]

    def test_windows_of_the_same_options_are_decoded_together(
        self, english_whisper: WhisperCore, counting: Counting, opening: Samples
    ) -> None:
        transcribe(english_whisper, (opening, ENGLISH), (opening, WITH_WORDS), (opening, ENGLISH))
        assert sorted(counting.generated) == [1, 2]
        assert sorted(counting.encoded) == [1, 2]

    def test_no_windows(self, english_whisper: WhisperCore) -> None:
        assert english_whisper.transcribe([]) == []


class TestNothingSaid:
    def test_silence(self, english_whisper: WhisperCore) -> None:
        (transcript,) = transcribe(english_whisper, (SILENCE, WITH_WORDS))
        assert transcript.segments == []

    def test_noise(self, whisper: WhisperCore) -> None:
        noise = np.random.default_rng(0).integers(-1_000, 1_000, 10 * 16_000).astype(np.int16)
        (transcript,) = transcribe(whisper, (noise, WhisperParams(temperature=0.0)))
        assert all(
            segment.confidence is not None and segment.confidence < 0.5 for segment in transcript.segments
        )

    @pytest.mark.parametrize("samples", [1, 160, 1_600])
    def test_next_to_nothing(self, english_whisper: WhisperCore, sample: Samples, samples: int) -> None:
        (transcript,) = transcribe(english_whisper, (sample[120_000 : 120_000 + samples], WITH_WORDS))
        for segment in transcript.segments:
            assert segment.time_interval.end <= round(samples / 16_000, 3)

    @pytest.mark.parametrize("without_timestamps", [None, True, False])
    def test_thresholds_may_be_off(
        self, english_whisper: WhisperCore, without_timestamps: bool | None
    ) -> None:
        """Then what Whisper makes of silence is passed on, be it nothing."""
        options = WhisperParams(
            no_speech_threshold=None,
            log_prob_threshold=None,
            compression_ratio_threshold=None,
            word_timestamps=True,
            without_timestamps=without_timestamps,
        )
        transcribe(english_whisper, (SILENCE, options))


class TestRefusedOptions:
    """A window whose options cannot be honoured is refused; the others of its batch are answered."""

    @pytest.fixture
    def good(self, opening: Samples) -> WindowRequest:
        return WindowRequest(opening, ENGLISH)

    def refused(self, core: WhisperCore, good: WindowRequest, **options: Any) -> str:
        bad = WindowRequest(good.samples, WhisperParams(**options))
        first, error, last = core.transcribe([good, bad, good])
        assert isinstance(error, InvalidOption)
        for answer in (first, last):
            assert isinstance(answer, WindowTranscript)
            assert "know you were there" in text(answer.segments)
        return error.message

    def test_language_of_an_english_model(self, english_whisper: WhisperCore, good: WindowRequest) -> None:
        message = self.refused(english_whisper, good, language="de")
        assert message == "language: this server's model knows English only (got 'de')"

    def test_translation_by_an_english_model(self, english_whisper: WhisperCore, good: WindowRequest) -> None:
        message = self.refused(english_whisper, good, task="translate")
        assert message == "task: this server's model knows English only and cannot translate"

    def test_language_of_a_newer_model(self, whisper: WhisperCore, good: WindowRequest) -> None:
        """Only large-v3 and what came of it know Cantonese."""
        message = self.refused(whisper, good, language="yue")
        assert message == "language: this server's model does not know 'yue'"

    @pytest.mark.parametrize("token", [-2, 50_363, 99_999_999, 2**40])
    def test_token_the_model_does_not_have(
        self, english_whisper: WhisperCore, good: WindowRequest, token: int
    ) -> None:
        message = self.refused(english_whisper, good, language="en", suppress_tokens=(-1, token))
        assert message == "suppress_tokens: this server's model has tokens 0 to 50362"

    def test_prompt_that_leaves_no_room(self, english_whisper: WhisperCore, good: WindowRequest) -> None:
        message = self.refused(
            english_whisper, good, language="en", initial_prompt="Diane. " * 300, hotwords="Yankee " * 300
        )
        assert message.startswith("initial_prompt, prefix, hotwords: ")

    def test_patience_that_leaves_no_beam(self, english_whisper: WhisperCore, good: WindowRequest) -> None:
        message = self.refused(english_whisper, good, language="en", patience=0.01)
        assert message.startswith("patience")


class TestTemperatureLadder:
    def test_windows_that_pass_are_decoded_once(
        self, english_whisper: WhisperCore, counting: Counting, opening: Samples
    ) -> None:
        transcribe(english_whisper, (opening, ENGLISH), (opening, ENGLISH))
        assert counting.generated == [2]

    def test_windows_that_fail_everywhere_have_an_answer(
        self, english_whisper: WhisperCore, counting: Counting, sample: Samples, opening: Samples
    ) -> None:
        """No text is certain, so that none reaches an average log-probability of 0."""
        options = WhisperParams(
            language="en", log_prob_threshold=0.0, temperature=(0.0, 0.2, 0.4), best_of=1, beam_size=1
        )
        first, second = transcribe(
            english_whisper, (opening, options), (sample[12 * 16_000 : 18 * 16_000], options)
        )
        assert counting.generated == [2, 2, 2]
        assert "know you were there" in text(first.segments)
        assert "This is Diane" in text(second.segments)

    def test_only_windows_that_fail_are_decoded_again(
        self, english_whisper: WhisperCore, counting: Counting, sample: Samples
    ) -> None:
        windows = [sample, sample[8 * 16_000 : 14 * 16_000]]
        at_zero = transcribe(english_whisper, *((window, ENGLISH) for window in windows))
        sure, unsure = (math.log(transcript.segments[0].confidence or 0.0) for transcript in at_zero)
        assert unsure < sure - 0.05
        counting.generated.clear()
        options = WhisperParams(
            language="en", log_prob_threshold=(sure + unsure) / 2, temperature=(0.0, 0.2), best_of=1
        )
        answers = transcribe(english_whisper, *((window, options) for window in windows))
        assert counting.generated == [2, 1]
        # The window that passed keeps its first answer.
        assert answers[0] == at_zero[0]

    def test_one_temperature_is_a_ladder_of_one_rung(
        self, english_whisper: WhisperCore, counting: Counting, opening: Samples
    ) -> None:
        options = WhisperParams(language="en", log_prob_threshold=0.0, temperature=0.0)
        (transcript,) = transcribe(english_whisper, (opening, options))
        assert counting.generated == [1]
        assert transcript.segments != []

    def test_silence_is_not_tried_again(self, english_whisper: WhisperCore, counting: Counting) -> None:
        """Improbable text over no speech is what silence looks like, not a failure."""
        options = WhisperParams(language="en", log_prob_threshold=0.0)
        (transcript,) = transcribe(english_whisper, (SILENCE, options))
        assert counting.generated == [1]
        assert transcript.segments == []


class TestDecodingOptions:
    """Each option changes what faster-whisper says it changes."""

    def heard(self, whisper: WhisperCore, sample: Samples, **options: Any) -> WindowTranscript:
        (answer,) = whisper.transcribe([WindowRequest(sample, WhisperParams(language="en", **options))])
        assert isinstance(answer, WindowTranscript)
        return answer

    def test_prefix_begins_the_transcript(self, whisper: WhisperCore, sample: Samples) -> None:
        assert text(self.heard(whisper, sample).segments).startswith("Hello.")
        prefixed = self.heard(whisper, sample, prefix="Good evening.")
        assert text(prefixed.segments).startswith("Good evening. Hello.")

    def test_most_tokens(self, whisper: WhisperCore, sample: Samples) -> None:
        assert len(text(self.heard(whisper, sample, max_new_tokens=5).segments).split()) <= 5

    def test_tokens_that_are_never_written(self, whisper: WhisperCore, sample: Samples) -> None:
        (token,) = whisper._model.hf_tokenizer.encode(" Hello", add_special_tokens=False).ids
        assert " Hello" in self.heard(whisper, sample).segments[0].text
        without = self.heard(whisper, sample, suppress_tokens=(-1, token))
        assert " Hello" not in "".join(segment.text for segment in without.segments)

    @pytest.mark.parametrize("tokens", [None, ()])
    def test_no_token_is_suppressed(
        self, whisper: WhisperCore, sample: Samples, tokens: tuple[int, ...] | None
    ) -> None:
        assert "New Jersey" in text(self.heard(whisper, sample, suppress_tokens=tokens).segments)

    def test_punctuation_apart_from_its_word(self, whisper: WhisperCore, sample: Samples) -> None:
        joined = self.heard(whisper, sample, word_timestamps=True)
        apart = self.heard(whisper, sample, word_timestamps=True, append_punctuations="")
        assert joined.segments[0].words[0].word == " Hello."
        assert [word.word for word in apart.segments[0].words][:2] == [" Hello", "."]

    def test_language_of_each_window(self, whisper: WhisperCore, sample: Samples) -> None:
        options = WhisperParams(language="de", multilingual=True)
        (answer,) = whisper.transcribe([WindowRequest(sample, options)])
        assert isinstance(answer, WindowTranscript)
        assert answer.language == "en"
        assert 0.5 < answer.language_confidence < 1.0
