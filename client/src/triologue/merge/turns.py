"""Turns of one speaker that belong together."""

from collections.abc import Iterable

from triologue.schema.asr import SpeakerDiarizationSegment, TimeInterval


def join_touching_turns(
    turns: Iterable[SpeakerDiarizationSegment], pause: float = 0.0
) -> list[SpeakerDiarizationSegment]:
    """Join the turns of one speaker that lie at most `pause` seconds apart.

    Returns:
        The turns in order of their starts.
    """
    joined: list[SpeakerDiarizationSegment] = []
    latest: dict[str, int] = {}
    for turn in sorted(turns, key=lambda turn: turn.time_interval.start):
        at = latest.get(turn.speaker)
        if at is not None and turn.time_interval.start <= joined[at].time_interval.end + pause:
            joined[at] = _extend(joined[at], turn.time_interval.end)
        else:
            latest[turn.speaker] = len(joined)
            joined.append(turn)
    return joined


def _extend(turn: SpeakerDiarizationSegment, end: float) -> SpeakerDiarizationSegment:
    interval = turn.time_interval
    if end <= interval.end:
        return turn
    return turn.model_copy(update={"time_interval": TimeInterval(start=interval.start, end=end)})
