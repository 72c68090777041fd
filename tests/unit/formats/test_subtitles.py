"""SubRip and WebVTT, read back by what reads them."""

import io

import pysubs2
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.results import DIARIZATION, DIARIZED, PLAIN, SILENCE, SPOKEN, spoken

from triologue.formats import FORMATS, Setting
from triologue.layout.cues import CueStyle
from triologue.schema import AsrSegment, TimeInterval

# What people may be called, and may say: anything that a line can hold.
NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)


def test_srt_is_what_a_subtitle_reader_reads() -> None:
    subtitles = pysubs2.SSAFile.from_string(DIARIZED.to_srt(), format_="srt")
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
    subtitles = pysubs2.SSAFile.from_string(result.to_srt(), format_="srt")
    assert [(cue.start, cue.end, cue.plaintext) for cue in subtitles] == [
        (60000, 63581, "Ann Lee: The committee met on\nTuesday to discuss the budget,"),
        (63581, 66600, "Ann Lee: and decided to\nwait for the numbers first."),
        (66600, 67433, "佐藤: 你好，世界。"),
    ]


def test_srt_by_the_letter() -> None:
    assert PLAIN.to_srt().startswith(
        "1\n00:00:06,690 --> 00:00:07,500\nHello.\n\n2\n00:00:07,500 --> 00:00:08,334\nHow are you?\n\n3\n"
    )
    assert DIARIZED.to_srt(CueStyle(max_chars_per_line=12)).splitlines()[4:8] == [
        "2",
        "00:00:07,500 --> 00:00:08,334",
        "How are you?",
        "",
    ]
    assert DIARIZATION.to_srt() == "1\n00:00:06,690 --> 00:00:07,120\nSPEAKER_00\n"


def captions(vtt: str) -> list[webvtt.Caption]:
    return list(webvtt.from_buffer(io.StringIO(vtt)))


def test_vtt_has_voices() -> None:
    found = captions(SPOKEN.to_vtt())
    assert [(cue.start, cue.voice, cue.text) for cue in found] == [
        ("00:00:00.500", "Ann Lee", "Good morning."),
        ("00:00:02.000", "佐藤", "你好"),
    ]
    assert [cue.voice for cue in captions(PLAIN.to_vtt())] == [None] * 3


def test_vtt_by_the_letter() -> None:
    assert DIARIZED.to_vtt().split("\n\n")[-1].splitlines()[1:] == [
        "<v SPEAKER_01>Schön, danke – 你好 &lt;b&gt; {x}!"
    ]
    assert DIARIZATION.to_vtt() == ("WEBVTT\n\n00:00:06.690 --> 00:00:07.120\n<v SPEAKER_00>SPEAKER_00\n")
    assert SILENCE.to_vtt() == "WEBVTT\n"


@settings(max_examples=60, deadline=None)
@given(NAMES, NAMES)
def test_nothing_that_is_said_breaks_subtitles(name: str, word: str) -> None:
    result = spoken([(0.0, 2.0, name, f" {word}", 0.5), (5.0, 7.0, "Bob", " Yes.", 0.5)])
    vtt = result.to_vtt()
    assert [cue.start for cue in captions(vtt)] == ["00:00:00.000", "00:00:05.000"]
    # The file itself is text for a browser: what it shows is what was said.
    line = vtt.split("\n\n")[1].splitlines()[1]
    assert line.count("<") == line.count(">") == 1
    srt = pysubs2.SSAFile.from_string(result.to_srt(), format_="srt", keep_html_tags=True)
    assert [cue.start for cue in srt] == [0, 5000]


def test_an_arrow_that_is_said_is_no_arrow_between_times() -> None:
    result = spoken([(0.0, 2.0, "A", " 00:01 --> 00:02", 0.5), (5.0, 7.0, "Bob", " Yes.", 0.5)])
    srt = pysubs2.SSAFile.from_string(result.to_srt(), format_="srt")
    assert [cue.plaintext for cue in srt] == ["A: 00:01 -> 00:02", "Bob: Yes."]
    assert [cue.text for cue in captions(result.to_vtt())] == ["00:01 --&gt; 00:02", "Yes."]


def test_subtitles_are_in_order_and_last_for_a_while() -> None:
    back = spoken([(9.0, 9.5, "A", " late", 0.5), (1.0, 1.0, "B", " early", 0.5)])
    turns = DIARIZATION.model_copy(update={"turns": back.turns})
    for result in (back, turns):
        (first, second) = captions(result.to_vtt())
        assert (first.start, second.start) == ("00:00:01.000", "00:00:09.000")
        assert first.end > first.start


def test_cues_of_another_length() -> None:
    for name in ("srt", "vtt"):
        written = FORMATS[name].write(SPOKEN, Setting("meeting", cues={"max_chars_per_line": 8}))
        assert "Good morning." not in written
        assert "Good morning." in FORMATS[name].write(SPOKEN, Setting("meeting"))
