"""Sequential transcription: a window that slides over a recording, told what was said before it.

This is the procedure of Whisper's authors (Radford et al., arXiv 2212.04356, section 3.8) as faster-whisper's
`WhisperModel.transcribe` implements it, one window at a time; windows of other recordings share its batches.
"""

from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Executor
from itertools import zip_longest

from faster_whisper.utils import get_end

from triologue.schema import AsrSegment, AsrTranscriptionInfo, TimeInterval, WhisperParams
from triologue_server.audio import SAMPLE_RATE
from triologue_server.conductor.cores import Cores
from triologue_server.conductor.flow import in_thread
from triologue_server.conductor.hallucination import find_made_up, silence_before_made_up
from triologue_server.conductor.language import LanguageVote
from triologue_server.transcription.processor import Features, Spectrogram, WhisperProcessor
from triologue_server.transcription.segments import (
    Clock,
    RawSegment,
    cut,
    time_words,
    to_segment,
    to_words,
)
from triologue_server.transcription.window import (
    FRAMES_A_SECOND,
    WINDOW_FRAMES,
    Hypothesis,
    WindowOptions,
)

_PROMPT_TOKENS = 448  # more than any prompt has room for


class SequentialTranscription:
    """Transcribes one recording.

    Args:
        spectrogram: Of the recording, or of the speech in it.
        options: The caller's.
        cores: Where Whisper is.
        processor: Of its model.
        pool: Threads for features.
    """

    def __init__(
        self,
        spectrogram: Spectrogram,
        options: WhisperParams,
        cores: Cores,
        processor: WhisperProcessor,
        pool: Executor,
    ) -> None:
        changes = {} if options.without_timestamps is not None else {"without_timestamps": False}
        self._options = WindowOptions.of(options, **changes)
        self._spectrogram = spectrogram
        self._cores = cores
        self._tokenizer = processor.tokenizer
        self._pool = pool
        self._clock = Clock(spectrogram.frames / FRAMES_A_SECOND)
        self._vote = LanguageVote(options.language_detection_segments, options.language_detection_threshold)
        self._said: list[int] = []  # tokens that the next window is told of
        self._last_speech = 0.0  # when somebody was last heard, in seconds

    @property
    def language(self) -> AsrTranscriptionInfo | None:
        """The language, once it is known."""
        return self._vote.decision

    async def transcribe(self) -> AsyncGenerator[tuple[list[AsrSegment], int], None]:
        """Yield the segments of each window, and the sample up to which the recording was heard."""
        for start, stop in self._clips():
            frame = start
            while frame < stop:
                frames = min(WINDOW_FRAMES, stop - frame)
                segments, following = await self._window(frame, frames)
                # Timestamps that lead nowhere would have it hear the same for ever.
                frame = following if following > frame else frame + frames
                yield segments, min(frame, stop) * SAMPLE_RATE // FRAMES_A_SECOND

    def _clips(self) -> Iterator[tuple[int, int]]:
        end = self._spectrogram.frames
        bounds = [round(time * FRAMES_A_SECOND) for time in self._options.clip_timestamps] or [0]
        for start, stop in zip_longest(bounds[::2], bounds[1::2], fillvalue=end):
            yield start, min(stop, end)

    async def _window(self, start: int, frames: int) -> tuple[list[AsrSegment], int]:
        """Transcribe a window; return its segments, and the frame that the next one begins at."""
        hypothesis = await self._ask(start, frames)
        if hypothesis.is_silence(self._options):
            return [], start + frames
        segments, following, is_complete = cut(self._tokenizer, hypothesis, start, frames)
        if self._options.word_timestamps:
            time_words(self._tokenizer, hypothesis, segments, self._options, self._last_speech)
            end = get_end(segments)
            if not is_complete and end is not None and end > start / FRAMES_A_SECOND:
                following = round(end * FRAMES_A_SECOND)
            threshold = self._options.hallucination_silence_threshold
            if threshold is not None:
                silence = silence_before_made_up(segments, start)
                if silence > threshold:
                    return [], start + round(silence * FRAMES_A_SECOND)
                made_up = find_made_up(segments, threshold, start, frames, self._last_speech)
                if made_up is not None:
                    following = self._behind_silence(segments[made_up], threshold, start)
                    del segments[made_up:]
            self._last_speech = get_end(segments) or self._last_speech
        spoken = [segment for segment in segments if self._is_said(segment)]
        self._remember(hypothesis, spoken)
        return [self._to_segment(segment, hypothesis) for segment in spoken], following

    def _behind_silence(self, made_up: RawSegment, threshold: float, start: int) -> int:
        """Return the frame to go on at when a segment was made up for silence."""
        end = self._spectrogram.frames
        if end / FRAMES_A_SECOND - made_up["end"] < threshold:
            return end
        seconds: float = max(start / FRAMES_A_SECOND + 1, made_up["start"])
        return round(seconds * FRAMES_A_SECOND)

    def _is_said(self, segment: RawSegment) -> bool:
        return segment["start"] != segment["end"] and bool(self._tokenizer.decode(segment["tokens"]).strip())

    def _remember(self, hypothesis: Hypothesis, segments: list[RawSegment]) -> None:
        options = self._options
        self._said += [token for segment in segments for token in segment["tokens"]]
        self._said = self._said[-_PROMPT_TOKENS:]
        if (
            not options.condition_on_previous_text
            or hypothesis.temperature > options.prompt_reset_on_temperature
        ):
            self._said = []
            self._options = options.model_copy(update={"initial_prompt": None})

    def _to_segment(self, segment: RawSegment, hypothesis: Hypothesis) -> AsrSegment:
        words = to_words(segment.get("words", []), self._clock)
        if words:
            interval = TimeInterval(start=words[0].time_interval.start, end=words[-1].time_interval.end)
        else:
            interval = self._clock.interval(segment["start"], segment["end"])
        return to_segment(self._tokenizer.decode(segment["tokens"]), words, interval, hypothesis)

    async def _ask(self, start: int, frames: int) -> Hypothesis:
        hypothesis = await self._hypothesis(start, frames)
        if self._vote.decision is None:
            await self._decide(hypothesis, start)
            if not self._options.multilingual and self._language() != hypothesis.language:
                hypothesis = await self._hypothesis(start, frames)
        return hypothesis

    async def _hypothesis(self, start: int, frames: int) -> Hypothesis:
        options = self._options.model_copy(
            update={
                "previous_tokens": tuple(self._said),
                "prefix": self._options.prefix if start == 0 else None,
                "language": self._options.language or self._language(),
            }
        )
        return await self._cores.hypothesis(await self._features(start, frames), options)

    async def _features(self, start: int, frames: int) -> Features:
        return await in_thread(self._pool, lambda: self._spectrogram[start : start + frames])

    def _language(self) -> str | None:
        return self._vote.decision.language if self._vote.decision else None

    async def _decide(self, first: Hypothesis, start: int) -> None:
        """Decide on the language: that of the first window, or of those that follow it if it is uncertain."""
        self._vote.hear(0, first.language, first.language_confidence)
        number = 1
        while self._vote.decision is None:
            start += WINDOW_FRAMES
            if start >= self._spectrogram.frames:
                self._vote.close(number)
                break
            heard = await self._cores.hypothesis(
                await self._features(start, WINDOW_FRAMES),
                self._options.model_copy(update={"detect_only": True}),
            )
            self._vote.hear(number, heard.language, heard.language_confidence)
            number += 1
