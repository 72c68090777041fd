"""The Whisper core with real models: what it says, and that no window depends on its neighbours."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from tests.conformance.in_process import Samples, Whisper, assert_same_words
from tests.full import full
from triologue.schema import AsrSegment, InvalidOption, TriologueError, WhisperParams
from triologue_server.audio import to_float
from triologue_server.transcription.alignment import align, spread
from triologue_server.transcription.segments import aligns_words, window_segments
from triologue_server.transcription.whisper import WindowRequest
from triologue_server.transcription.window import Hypothesis, WindowOptions

OPENING = "Hello. Hello. Oh, hello. I didn't know you were there."
ENGLISH = WhisperParams(language="en")
WITH_WORDS = WhisperParams(language="en", word_timestamps=True)
SILENCE = np.zeros(5 * 16_000, np.int16)


@dataclass(frozen=True)
class Transcript:
    """What the conductor makes of a window in batched mode."""

    language: str
    language_confidence: float
    written: str
    """All that Whisper wrote."""
    segments: list[AsrSegment]


def transcribe(whisper: Whisper, *windows: tuple[Samples, WhisperParams]) -> list[Transcript]:
    requests = [
        WindowRequest(
            whisper.features(samples), WindowOptions.of(options, word_timestamps=aligns_words(options))
        )
        for samples, options in windows
    ]
    answers = whisper.core.transcribe(requests)
    return [
        transcript_of(whisper, answer, request.features.shape[1], options)
        for request, answer, (_, options) in zip(requests, answers, windows, strict=True)
    ]


def transcript_of(
    whisper: Whisper, answer: Hypothesis | TriologueError, frames: int, options: WhisperParams
) -> Transcript:
    assert isinstance(answer, Hypothesis)
    tokenizer = whisper.processor.tokenizer
    return Transcript(
        answer.language,
        answer.language_confidence,
        tokenizer.decode(answer.tokens),
        window_segments(tokenizer, answer, frames, options),
    )


def text(segments: Sequence[AsrSegment]) -> str:
    return "".join(segment.text for segment in segments).strip()


@pytest.fixture(scope="module")
def opening(sample: Samples) -> Samples:
    """The first 10 s, up to "... there."."""
    return sample[: 10 * 16_000]


@pytest.fixture(scope="module")
def with_words(whisper: Whisper, sample: Samples) -> Transcript:
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
def counting(english_whisper: Whisper, monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting(english_whisper.core._model.model)
    monkeypatch.setattr(english_whisper.core._model, "model", counting)
    return counting


class TestText:
    def test_opening(self, with_words: Transcript) -> None:
        assert text(with_words.segments).startswith(OPENING)
        assert (with_words.language, with_words.language_confidence) == ("en", 1.0)

    def test_is_that_of_faster_whisper(
        self, faster_whisper: WhisperModel, sample: Samples, with_words: Transcript
    ) -> None:
        segments, _ = faster_whisper.transcribe(
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

    def test_with_timestamps_too(
        self, whisper: Whisper, faster_whisper: WhisperModel, opening: Samples
    ) -> None:
        options = {"language": "en", "without_timestamps": False, "word_timestamps": True}
        (ours,) = transcribe(whisper, (opening, WhisperParams(**options)))
        theirs, _ = faster_whisper.transcribe(
            to_float(opening), vad_filter=False, condition_on_previous_text=False, **options
        )
        # What is behind the last timestamp faster-whisper hears again, as a window of its own.
        segments = [segment for segment in theirs if segment.seek == 0]
        assert [segment.text for segment in ours.segments] == [segment.text for segment in segments]
        assert_same_words(ours.segments, segments)

    def test_without_timestamps_a_window_is_one_segment(self, whisper: Whisper, opening: Samples) -> None:
        options = WhisperParams(language="en", without_timestamps=True)
        (transcript,) = transcribe(whisper, (opening, options))
        (segment,) = transcript.segments
        # Which marks it writes depends on the processor's arithmetic.
        assert "oh hello i didn't know you were there" in re.sub(r"[^\w\s']", "", segment.text).lower()
        assert (segment.time_interval.start, segment.time_interval.end) == (0.0, 10.0)
        assert segment.words == []

    def test_language_is_detected(self, whisper: Whisper, opening: Samples) -> None:
        (transcript,) = transcribe(whisper, (opening, WhisperParams()))
        assert transcript.language == "en"
        assert 0.9 < transcript.language_confidence < 1.0


class TestWords:
    def test_segments_are_sentences(self, with_words: Transcript) -> None:
        assert [segment.text for segment in with_words.segments][:4] == [
            " Hello.",
            " Hello.",
            " Oh, hello.",
            " I didn't know you were there.",
        ]
        assert all(segment.text.endswith((".", "?", "!")) for segment in with_words.segments[:-1])

    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({}, id="sentences"),
            pytest.param({"without_timestamps": False}, id="timestamps"),
            pytest.param({"without_timestamps": False, "max_new_tokens": 40}, id="text behind the last"),
            pytest.param({"prefix": "Call 20 of 1984: $3.50, or 5 %, at 7 o'clock."}, id="numbers"),
            pytest.param({"prepend_punctuations": "", "append_punctuations": ""}, id="marks apart"),
        ],
    )
    def test_none_is_lost_and_times_rise_inside_segment_and_window(
        self, english_whisper: Whisper, sample: Samples, options: dict[str, Any]
    ) -> None:
        seconds = 24.37
        piece = sample[round(5.63 * 16_000) :]
        options = {"temperature": 0.0, "word_timestamps": True, **options}
        (transcript,) = transcribe(english_whisper, (piece, WhisperParams(**options)))
        assert transcript.written.startswith(f" {options.get('prefix', '')}".rstrip())
        assert text(transcript.segments) == transcript.written.strip()
        times = []
        for segment in transcript.segments:
            assert "".join(word.word for word in segment.words) == segment.text
            assert segment.time_interval.start == segment.words[0].time_interval.start
            assert segment.time_interval.end == segment.words[-1].time_interval.end
            times += [
                time for word in segment.words for time in (word.time_interval.start, word.time_interval.end)
            ]
        assert times == sorted(times)
        assert times[0] >= 0.0
        assert times[-1] <= seconds

    def test_text_that_cannot_be_aligned_is_spread_over_the_window(
        self, english_whisper: Whisper, sample: Samples
    ) -> None:
        """Half of a character takes the end of the text with it; nothing is left to align."""
        model = english_whisper.core._model
        tokenizer = Tokenizer(model.hf_tokenizer, False, "transcribe", "en")
        tokens = tokenizer.encode(" 🎉")[:-1]
        encoded = model.model.encode(english_whisper.features(sample)[None])
        (words,) = align(model, tokenizer, encoded, [tokens], [250])
        assert [(word.word, word.start, word.end) for word in words] == [(" \ufffd", 0.0, 2.5)]

    def test_words_are_spread_by_their_lengths(self, english_whisper: Whisper) -> None:
        tokenizer = english_whisper.processor.tokenizer
        words = spread(tokenizer, tokenizer.encode(" Is it 1984?"), 240)
        assert [(word.word, word.start, word.end) for word in words] == [
            (" Is", 0.0, pytest.approx(0.6)),
            (" it", pytest.approx(0.6), pytest.approx(1.2)),
            (" 1984", pytest.approx(1.2), pytest.approx(2.2)),
            ("?", pytest.approx(2.2), pytest.approx(2.4)),
        ]

    def test_are_where_the_speakers_say_them(self, with_words: Transcript) -> None:
        """In the reference the first two turns start at 6.69 and 7.55 s, and "Oh, hello." at 8.44 s."""
        starts = [segment.time_interval.start for segment in with_words.segments]
        assert starts[:3] == [
            pytest.approx(6.69, abs=0.4),
            pytest.approx(7.55, abs=0.4),
            pytest.approx(8.4, abs=0.4),
        ]

    def test_are_left_out_when_not_asked_for(self, whisper: Whisper, opening: Samples) -> None:
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
        self, whisper: Whisper, sample: Samples, texts: list[str]
    ) -> None:
        """Whisper may write timestamps anywhere; a word across one goes to the first of the two segments."""
        model = whisper.core._model
        tokenizer = Tokenizer(model.hf_tokenizer, True, "transcribe", "en")
        tokens = [
            token
            for at, part in enumerate(texts)
            for token in (
                tokenizer.timestamp_begin + 50 * (6 + at),
                *tokenizer.encode(part),
                tokenizer.timestamp_begin + 50 * (7 + at),
            )
        ]
        features = whisper.features(sample)
        encoded = model.model.encode(features[None])
        (words,) = align(model, tokenizer, encoded, [tokens], [features.shape[1]])
        hypothesis = Hypothesis(language="en", language_confidence=1.0, tokens=tokens, words=words)
        options = WhisperParams(word_timestamps=True, without_timestamps=False)
        segments = window_segments(whisper.processor.tokenizer, hypothesis, features.shape[1], options)
        assert text(segments) == "".join(texts).strip()


class TestBatch:
    @full
    def test_a_window_does_not_depend_on_its_batch(self, whisper: Whisper, sample: Samples) -> None:
        options = [
            {"language": "en", "word_timestamps": True},
            {},
            {"language": "de", "word_timestamps": True},
            {"language": "fr", "task": "translate", "word_timestamps": True},
            {"initial_prompt": "A call.", "without_timestamps": False},
            {"previous_tokens": (2425, 11, 7751, 13), "word_timestamps": True},
            {"multilingual": True, "beam_size": 1},
            {"detect_only": True},
        ]
        requests = [
            WindowRequest(
                whisper.features(sample[at * 16_000 : (at + 6) * 16_000]),
                WindowOptions(temperature=0.0, **its),
            )
            for at, its in zip(range(7, 23, 2), options, strict=True)
        ]
        together = whisper.core.transcribe(requests)
        for request, answer in zip(requests, together, strict=True):
            (alone,) = whisper.core.transcribe([request])
            assert answer == alone

    def test_answers_are_in_the_order_of_the_windows(
        self, english_whisper: Whisper, sample: Samples, opening: Samples
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

    def test_is_encoded_once_and_windows_decoded_alike_are_decoded_together(
        self, english_whisper: Whisper, counting: Counting, opening: Samples
    ) -> None:
        """Whether words are to be aligned makes no difference to decoding; the number of beams does."""
        greedy = WhisperParams(language="en", beam_size=1)
        transcribe(
            english_whisper, (opening, ENGLISH), (opening, greedy), (opening, WITH_WORDS), (opening, greedy)
        )
        assert counting.encoded == [4]
        assert counting.generated == [2, 2]

    @pytest.mark.parametrize(
        ("options", "groups"),
        [
            pytest.param([{"language": "en"}, {"language": "de"}, {}], [3], id="languages"),
            pytest.param([{"task": "transcribe"}, {"task": "translate"}], [2], id="tasks"),
            pytest.param([{"initial_prompt": "Diane."}, {"initial_prompt": "Laura."}], [2], id="prompts"),
            pytest.param([{"initial_prompt": "Diane."}, {}], [1, 1], id="prompts of different lengths"),
            pytest.param([{"hotwords": "Diane"}, {"prefix": "Diane"}], [1, 1], id="different places"),
            pytest.param([{"temperature": 0.0}, {"temperature": (0.0, 0.2)}], [1, 1], id="temperatures"),
        ],
    )
    def test_what_is_decoded_together(
        self,
        whisper: Whisper,
        monkeypatch: pytest.MonkeyPatch,
        opening: Samples,
        options: list[dict[str, Any]],
        groups: list[int],
    ) -> None:
        counting = Counting(whisper.core._model.model)
        monkeypatch.setattr(whisper.core._model, "model", counting)
        fast = {"beam_size": 1, "max_new_tokens": 3, "log_prob_threshold": None}
        transcribe(whisper, *((opening, WhisperParams(**fast, **its)) for its in options))
        assert counting.encoded == [len(options)]
        assert counting.generated == groups

    def test_no_windows(self, english_whisper: Whisper) -> None:
        assert english_whisper.core.transcribe([]) == []


class TestNothingSaid:
    def test_silence(self, english_whisper: Whisper) -> None:
        (transcript,) = transcribe(english_whisper, (SILENCE, WITH_WORDS))
        assert transcript.segments == []

    def test_noise(self, whisper: Whisper) -> None:
        """What is made of it says that it is nothing."""
        noise = np.random.default_rng(0).integers(-1_000, 1_000, 10 * 16_000).astype(np.int16)
        (transcript,) = transcribe(whisper, (noise, WhisperParams(temperature=0.0)))
        for segment in transcript.segments:
            assert segment.confidence is not None
            assert segment.no_speech_confidence is not None
            assert segment.confidence < 0.5 or segment.no_speech_confidence > 0.6

    @pytest.mark.parametrize("samples", [160, 319, 1_600])
    def test_next_to_nothing(self, english_whisper: Whisper, sample: Samples, samples: int) -> None:
        (transcript,) = transcribe(english_whisper, (sample[120_000 : 120_000 + samples], WITH_WORDS))
        for segment in transcript.segments:
            assert segment.time_interval.end <= round(samples / 16_000, 3)

    @pytest.mark.parametrize("without_timestamps", [None, True, False])
    def test_thresholds_may_be_off(self, english_whisper: Whisper, without_timestamps: bool | None) -> None:
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
    def good(self, whisper: Whisper, opening: Samples) -> WindowRequest:
        return WindowRequest(whisper.features(opening), WindowOptions(language="en"))

    def refused(self, whisper: Whisper, good: WindowRequest, **options: Any) -> str:
        return self.refused_window(whisper, good, WindowRequest(good.features, WindowOptions(**options)))

    def refused_window(self, whisper: Whisper, good: WindowRequest, bad: WindowRequest) -> str:
        first, error, last = whisper.core.transcribe([good, bad, good])
        assert isinstance(error, InvalidOption)
        for answer in (first, last):
            assert isinstance(answer, Hypothesis)
            assert "know you were there" in whisper.processor.tokenizer.decode(answer.tokens)
        return error.message

    def test_language_of_an_english_model(self, english_whisper: Whisper, good: WindowRequest) -> None:
        message = self.refused(english_whisper, good, language="de")
        assert message == "language: this server's model knows English only (got 'de')"

    def test_translation_by_an_english_model(self, english_whisper: Whisper, good: WindowRequest) -> None:
        message = self.refused(english_whisper, good, task="translate")
        assert message == "task: this server's model knows English only and cannot translate"

    def test_language_of_a_newer_model(self, whisper: Whisper, good: WindowRequest) -> None:
        """Only large-v3 and what came of it know Cantonese."""
        message = self.refused(whisper, good, language="yue")
        assert message == "language: this server's model does not know 'yue'"

    @pytest.mark.parametrize("token", [-2, 50_363, 99_999_999, 2**40])
    def test_token_the_model_does_not_have(
        self, english_whisper: Whisper, good: WindowRequest, token: int
    ) -> None:
        message = self.refused(english_whisper, good, language="en", suppress_tokens=(-1, token))
        assert message == "suppress_tokens: this server's model has tokens 0 to 50362"

    def test_prompt_that_leaves_no_room(self, english_whisper: Whisper, good: WindowRequest) -> None:
        message = self.refused(
            english_whisper, good, language="en", initial_prompt="Diane. " * 300, hotwords="Yankee " * 300
        )
        assert message.startswith("initial_prompt, prefix, hotwords: ")

    @pytest.mark.parametrize("token", [-1, 51_865, 2**40])
    def test_previous_token_the_model_does_not_have(
        self, whisper: Whisper, good: WindowRequest, token: int
    ) -> None:
        message = self.refused(whisper, good, language="en", previous_tokens=(2425, token))
        assert message == "previous_tokens: this server's model has tokens 0 to 51864"

    @pytest.mark.parametrize("shape", [(80, 0), (80, 3_001), (128, 3_000), (1, 1)])
    def test_features_of_another_model(
        self, whisper: Whisper, good: WindowRequest, shape: tuple[int, int]
    ) -> None:
        bad = WindowRequest(np.zeros(shape, np.float32), good.options)
        message = self.refused_window(whisper, good, bad)
        assert message == f"FEATURES: {shape[0]} x {shape[1]} are not the 80 x (1 to 3000) of this model"

    def test_patience_that_leaves_no_beam(self, english_whisper: Whisper, good: WindowRequest) -> None:
        message = self.refused(english_whisper, good, language="en", patience=0.01)
        assert message.startswith("patience")


class TestTemperatureLadder:
    def test_windows_that_pass_are_decoded_once(
        self, english_whisper: Whisper, counting: Counting, opening: Samples
    ) -> None:
        transcribe(english_whisper, (opening, ENGLISH), (opening, ENGLISH))
        assert counting.generated == [2]

    def test_windows_that_fail_everywhere_have_an_answer(
        self, english_whisper: Whisper, counting: Counting, sample: Samples, opening: Samples
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
        self, english_whisper: Whisper, counting: Counting, sample: Samples
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
        self, english_whisper: Whisper, counting: Counting, opening: Samples
    ) -> None:
        options = WhisperParams(language="en", log_prob_threshold=0.0, temperature=0.0)
        (transcript,) = transcribe(english_whisper, (opening, options))
        assert counting.generated == [1]
        assert transcript.segments != []

    def test_silence_is_not_tried_again(self, english_whisper: Whisper, counting: Counting) -> None:
        """Improbable text over no speech is what silence looks like, not a failure."""
        options = WhisperParams(language="en", log_prob_threshold=0.0)
        (transcript,) = transcribe(english_whisper, (SILENCE, options))
        assert counting.generated == [1]
        assert transcript.segments == []


class TestDecodingOptions:
    """Each option changes what faster-whisper says it changes."""

    def heard(self, whisper: Whisper, sample: Samples, **options: Any) -> Transcript:
        (transcript,) = transcribe(whisper, (sample, WhisperParams(language="en", **options)))
        return transcript

    def test_prefix_begins_the_transcript(self, whisper: Whisper, sample: Samples) -> None:
        assert text(self.heard(whisper, sample).segments).startswith("Hello.")
        prefixed = self.heard(whisper, sample, prefix="Good evening.")
        assert text(prefixed.segments).startswith("Good evening. Hello.")

    def test_most_tokens(self, whisper: Whisper, sample: Samples) -> None:
        assert len(text(self.heard(whisper, sample, max_new_tokens=5).segments).split()) <= 5

    def test_tokens_that_are_never_written(self, whisper: Whisper, sample: Samples) -> None:
        (token,) = whisper.core._model.hf_tokenizer.encode(" Hello", add_special_tokens=False).ids
        assert " Hello" in self.heard(whisper, sample).segments[0].text
        without = self.heard(whisper, sample, suppress_tokens=(-1, token))
        assert " Hello" not in "".join(segment.text for segment in without.segments)

    @pytest.mark.parametrize("tokens", [None, ()])
    def test_no_token_is_suppressed(
        self, whisper: Whisper, sample: Samples, tokens: tuple[int, ...] | None
    ) -> None:
        assert "New Jersey" in text(self.heard(whisper, sample, suppress_tokens=tokens).segments)

    def test_punctuation_apart_from_its_word(self, whisper: Whisper, sample: Samples) -> None:
        joined = self.heard(whisper, sample, word_timestamps=True)
        apart = self.heard(whisper, sample, word_timestamps=True, append_punctuations="")
        assert joined.segments[0].words[0].word == " Hello."
        assert [word.word for word in apart.segments[0].words][:2] == [" Hello", "."]

    def test_language_of_each_window(self, whisper: Whisper, sample: Samples) -> None:
        options = WhisperParams(language="de", multilingual=True)
        (transcript,) = transcribe(whisper, (sample, options))
        assert transcript.language == "en"
        assert 0.5 < transcript.language_confidence < 1.0
