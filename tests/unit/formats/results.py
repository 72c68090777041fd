"""Results that the tests of formats write down."""

from triologue.schema import (
    AsrSegment,
    AsrTranscription,
    AsrTranscriptionInfo,
    AsrWord,
    AudioInfo,
    DiarizationResult,
    DiarizedTranscriptionResult,
    ProcessingInfo,
    SpeakerDiarizationSegment,
    TimeInterval,
    TranscriptionResult,
)

AUDIO = AudioInfo(duration=30.0, sample_rate=16000, channels=1)
PROCESSING = ProcessingInfo(seconds=5.2, rtfx=30.0 / 5.2)
ENGLISH = AsrTranscriptionInfo(language="en", language_confidence=0.984)

SAID = [
    (6.69, 7.12, "SPEAKER_00", " Hello."),
    (7.5, 8.3339, "SPEAKER_00", " How are\nyou? "),
    (8.4, 8.5, "SPEAKER_01", "  "),
    (3661.0, 3661.9996, "SPEAKER_01", " Schön, danke – 你好 <b> {x}!"),
]
TURNS = [
    SpeakerDiarizationSegment(time_interval=TimeInterval(start=start, end=end), speaker=speaker)
    for start, end, speaker, _ in SAID
]


def transcript(*, diarized: bool) -> TranscriptionResult:
    segments = [
        AsrSegment(
            text=text, time_interval=TimeInterval(start=start, end=end), speaker=speaker if diarized else None
        )
        for start, end, speaker, text in SAID
    ]
    text = AsrTranscription(text="".join(segment.text for segment in segments))
    if not diarized:
        return TranscriptionResult(
            audio=AUDIO,
            processing=PROCESSING,
            segments=segments,
            transcription_info=ENGLISH,
            transcription=text,
        )
    return DiarizedTranscriptionResult(
        audio=AUDIO,
        processing=PROCESSING,
        segments=segments,
        transcription_info=ENGLISH,
        transcription=text,
        turns=TURNS,
    )


PLAIN = transcript(diarized=False)
DIARIZED = transcript(diarized=True)
DIARIZATION = DiarizationResult(audio=AUDIO, processing=PROCESSING, turns=TURNS[:1])
SILENCE = TranscriptionResult(
    audio=AUDIO,
    processing=PROCESSING,
    segments=[],
    transcription_info=AsrTranscriptionInfo(language="silence", language_confidence=1.0),
    transcription=AsrTranscription(),
)


WORDS = [
    (0.5, 0.8, "Ann Lee", " Good", 0.9),
    (0.8, 1.25, "Ann Lee", " morning.", 0.95),
    (2.0, 2.0, "佐藤", " 你", 0.2),
    (2.0, 2.4, "佐藤", "好", 0.5),
]


def spoken(words: list[tuple[float, float, str, str, float]]) -> DiarizedTranscriptionResult:
    """Return a transcript of a segment for each speaker in a row."""
    segments: list[AsrSegment] = []
    for start, end, speaker, text, confidence in words:
        word = AsrWord(
            word=text,
            speaker=speaker,
            time_interval=TimeInterval(start=start, end=end),
            alignment_confidence=confidence,
        )
        same = [segments.pop()] if segments and segments[-1].speaker == speaker else []
        said = [*(word for segment in same for word in segment.words), word]
        segments.append(
            AsrSegment(
                text="".join(word.word for word in said),
                time_interval=TimeInterval(start=said[0].time_interval.start, end=end),
                speaker=speaker,
                words=said,
            )
        )
    turns = [
        SpeakerDiarizationSegment(time_interval=segment.time_interval, speaker=segment.speaker or "")
        for segment in segments
    ]
    return DiarizedTranscriptionResult(
        audio=AUDIO,
        processing=PROCESSING,
        segments=segments,
        transcription_info=ENGLISH,
        transcription=AsrTranscription(text="".join(segment.text for segment in segments)),
        turns=turns,
    )


SPOKEN = spoken(WORDS)
