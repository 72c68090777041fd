"""Which language a recording is in, decided from what its first windows were detected to be in."""

import asyncio
from collections import Counter

from triologue.schema import AsrTranscriptionInfo


class LanguageVote:
    """The rule of faster-whisper, for windows whose detections come in any order.

    The first window that is certain decides. When none of the first `windows` is, the language that most of
    them are in does.

    Args:
        windows: How many windows have a vote, at least 1.
        threshold: A detection with more confidence than this is certain.
    """

    def __init__(self, windows: int, threshold: float) -> None:
        self._windows = windows
        self._threshold = threshold
        self._heard: dict[int, AsrTranscriptionInfo] = {}
        self._decision: asyncio.Future[AsrTranscriptionInfo] = asyncio.get_running_loop().create_future()

    def hear(self, window: int, language: str, confidence: float) -> None:
        """Take the detection of a window, by its number from 0."""
        self._heard[window] = AsrTranscriptionInfo(language=language, language_confidence=confidence)
        self._decide()

    def close(self, windows: int) -> None:
        """Say how many windows there are in all."""
        self._windows = min(self._windows, windows)
        self._decide()

    @property
    def decision(self) -> AsrTranscriptionInfo | None:
        """The language, `None` as long as it is open."""
        return self._decision.result() if self._decision.done() else None

    async def decided(self) -> AsrTranscriptionInfo:
        """Wait for the decision."""
        return await asyncio.shield(self._decision)

    def _decide(self) -> None:
        if self._decision.done():
            return
        votes = []
        for window in range(self._windows):
            if window not in self._heard:
                return
            votes.append(self._heard[window])
            if votes[-1].language_confidence > self._threshold:
                self._decision.set_result(votes[-1])
                return
        if votes:
            language, _ = Counter(vote.language for vote in votes).most_common(1)[0]
            confidence = max(vote.language_confidence for vote in votes if vote.language == language)
            self._decision.set_result(AsrTranscriptionInfo(language=language, language_confidence=confidence))
