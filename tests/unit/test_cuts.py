"""Where a recording is cut for Whisper, by hand-worked cases."""

from benchmarks.cuts import turn_bounds
from triologue import AudioInfo, DiarizedTranscriptionResult, SpeakerDiarizationSegment, TimeInterval
from triologue.schema import AsrTranscription, AsrTranscriptionInfo, ProcessingInfo


def diarized(*turns: tuple[str, float, float]) -> DiarizedTranscriptionResult:
    """A recording of 20 s."""
    return DiarizedTranscriptionResult(
        audio=AudioInfo(duration=20.0, sample_rate=16000, channels=1),
        processing=ProcessingInfo(seconds=1.0, rtfx=20.0),
        segments=[],
        transcription_info=AsrTranscriptionInfo(),
        transcription=AsrTranscription(),
        turns=[],
        exclusive_turns=[
            SpeakerDiarizationSegment(speaker=speaker, time_interval=TimeInterval(start=start, end=end))
            for speaker, start, end in turns
        ],
    )


def test_turns_get_room_at_both_ends() -> None:
    assert turn_bounds(diarized(("A", 1.0, 3.0), ("B", 5.0, 8.0))) == (0.75, 3.25, 4.75, 8.25)


def test_a_speaker_who_pauses_goes_on() -> None:
    assert turn_bounds(diarized(("A", 1.0, 3.0), ("A", 3.9, 6.0))) == (0.75, 6.25)


def test_bounds_rise_where_turns_touch() -> None:
    assert turn_bounds(diarized(("A", 1.0, 3.0), ("B", 3.0, 8.0))) == (0.75, 3.25, 3.26, 8.25)


def test_nothing_lies_outside_of_the_recording() -> None:
    assert turn_bounds(diarized(("A", 0.1, 3.0), ("B", 15.0, 20.0))) == (0.0, 3.25, 14.75, 19.99)


def test_hardly_anything_is_not_transcribed() -> None:
    assert turn_bounds(diarized(("A", 1.0, 3.0), ("B", 3.2, 3.3))) == (0.75, 3.25, 3.26, 3.55)
    assert turn_bounds(diarized(("A", 1.0, 3.0), ("B", 3.05, 3.1))) == (0.75, 3.25)
