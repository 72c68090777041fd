"""The output formats, read back by what reads them."""

from pathlib import Path

import pysubs2
import pytest
from pyannote.core import Segment
from pyannote.database.util import load_rttm

from triologue.formats import FORMATS, SRT_STYLE, summarize, to_json, to_rttm, to_srt, to_text
from triologue.formats.lines import timestamp
from triologue.layout.cues import CueStyle
from triologue.schema import (
    AsrSegment,
    AsrTranscription,
    AsrTranscriptionInfo,
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


def test_text_of_a_diarized_transcript() -> None:
    assert to_text(DIARIZED) == (
        "[00:00:06.690 → 00:00:07.120] SPEAKER_00  Hello.\n"
        "[00:00:07.500 → 00:00:08.334] SPEAKER_00  How are you?\n"
        "[01:01:01.000 → 01:01:02.000] SPEAKER_01  Schön, danke – 你好 <b> {x}!\n"
    )


def test_text_without_speakers_and_without_words() -> None:
    assert to_text(PLAIN).splitlines()[0] == "[00:00:06.690 → 00:00:07.120] Hello."
    assert to_text(DIARIZATION) == "[00:00:06.690 → 00:00:07.120] SPEAKER_00\n"


def test_srt_is_what_a_subtitle_reader_reads() -> None:
    subtitles = pysubs2.SSAFile.from_string(to_srt(DIARIZED), format_="srt")
    # The first stays until the next one, that for 5/6 of a second, and the last until it has been read.
    assert [(cue.start, cue.end) for cue in subtitles] == [(6690, 7500), (7500, 8334), (3661000, 3662647)]
    assert [cue.plaintext for cue in subtitles][:2] == ["SPEAKER_00: Hello.", "SPEAKER_00: How are you?"]


def test_srt_shows_long_speech_as_cues_of_lines() -> None:
    said = " The committee met on Tuesday to discuss the budget, and decided to wait for the numbers first."
    segments = [
        AsrSegment(text=said, time_interval=TimeInterval(start=60.0, end=66.6), speaker="Ann Lee"),
        AsrSegment(text=" 你好，世界。", time_interval=TimeInterval(start=66.6, end=67.0), speaker="佐藤"),
    ]
    result = DIARIZED.model_copy(update={"segments": segments})
    subtitles = pysubs2.SSAFile.from_string(to_srt(result), format_="srt")
    assert [(cue.start, cue.end, cue.plaintext) for cue in subtitles] == [
        (60000, 63581, "Ann Lee: The committee met on\nTuesday to discuss the budget,"),
        (63581, 66600, "Ann Lee: and decided to\nwait for the numbers first."),
        (66600, 67433, "佐藤: 你好，世界。"),
    ]


def test_srt_by_the_letter() -> None:
    assert to_srt(PLAIN).startswith(
        "1\n00:00:06,690 --> 00:00:07,500\nHello.\n\n2\n00:00:07,500 --> 00:00:08,334\nHow are you?\n\n3\n"
    )
    assert to_srt(DIARIZED, CueStyle(max_chars_per_line=12)).splitlines()[4:8] == [
        "2",
        "00:00:07,500 --> 00:00:08,334",
        "How are you?",
        "",
    ]
    assert to_srt(DIARIZATION) == "1\n00:00:06,690 --> 00:00:07,120\nSPEAKER_00\n"


@pytest.mark.parametrize("result", [PLAIN, DIARIZED, DIARIZATION, SILENCE], ids=lambda result: result.type)
def test_json_reads_back_as_the_result(result: TranscriptionResult | DiarizationResult) -> None:
    written = to_json(result)
    assert type(result).model_validate_json(written) == result
    assert '\n  "audio": {\n' in written


def test_silence_has_no_lines() -> None:
    assert to_text(SILENCE) == ""
    assert to_srt(SILENCE) == ""


def test_rttm_is_what_pyannote_reads(tmp_path: Path) -> None:
    path = tmp_path / "meeting.rttm"
    path.write_text(to_rttm(DIARIZED, "Monday meeting"), encoding="utf-8")
    ((recording, annotation),) = load_rttm(path).items()
    assert recording == "Monday_meeting"
    assert [
        (round(segment.start, 3), round(segment.end, 3), label)
        for segment, _, label in annotation.itertracks(yield_label=True)
    ] == [(start, round(end, 3), speaker) for start, end, speaker, _ in SAID]


def test_rttm_by_the_letter() -> None:
    assert to_rttm(DIARIZATION, "a") == "SPEAKER a 1 6.690 0.430 <NA> <NA> SPEAKER_00 <NA> <NA>\n"


@pytest.mark.parametrize("name", ["Jürgen von Groß", "佐藤\u3000花子", "O'Neill & <b>Co</b>: %", "A\u00a0 B"])
def test_names_of_speakers_survive_every_format(name: str, tmp_path: Path) -> None:
    turns = [turn.model_copy(update={"speaker": name}) for turn in TURNS[:1]]
    result = DIARIZATION.model_copy(update={"turns": turns})
    path = tmp_path / "meeting.rttm"
    path.write_text(to_rttm(result, "meeting"), encoding="utf-8")
    annotation = load_rttm(path)["meeting"]
    assert annotation.labels() == ["".join("_" if mark.isspace() else mark for mark in name)]
    assert annotation.get_timeline().extent() == Segment(6.69, 7.12)
    assert len(path.read_text(encoding="utf-8").split()) == 10
    assert to_text(result) == f"[00:00:06.690 → 00:00:07.120] {name}\n"
    assert to_srt(result).splitlines()[2] == name
    assert DiarizationResult.model_validate_json(to_json(result)) == result


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (PLAIN, "language en (0.98) · audio 30.0 s · processed in 5.2 s · RTFx 5.8"),
        (DIARIZED, "language en (0.98) · audio 30.0 s · processed in 5.2 s · RTFx 5.8 · 2 speakers"),
        (DIARIZATION, "audio 30.0 s · processed in 5.2 s · RTFx 5.8 · 1 speaker"),
        (SILENCE, "language silence (1.00) · audio 30.0 s · processed in 5.2 s · RTFx 5.8"),
    ],
    ids=["plain", "diarized", "diarization", "silence"],
)
def test_summary(result: TranscriptionResult | DiarizationResult, line: str) -> None:
    assert summarize(result) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "00:00:00.000"),
        (0.0004, "00:00:00.000"),
        (59.9996, "00:01:00.000"),
        (3599.9996, "01:00:00.000"),
        (360000.25, "100:00:00.250"),
    ],
)
def test_timestamp_carries_over(seconds: float, text: str) -> None:
    assert timestamp(seconds, ".") == text


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("result", [PLAIN, DIARIZED, DIARIZATION], ids=lambda result: result.type)
def test_every_format_takes_every_result(name: str, result: TranscriptionResult | DiarizationResult) -> None:
    written = FORMATS[name](result, "meeting", SRT_STYLE)
    if name == "rttm" and result is PLAIN:
        assert written == ""
        return
    assert "6.69" in written.replace(",", ".")
    assert written.endswith("\n")
    assert not written.endswith("\n\n")
