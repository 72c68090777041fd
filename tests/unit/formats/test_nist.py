"""RTTM, CTM and STM, read back by pyannote and meeteval."""

from pathlib import Path

import meeteval.io
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyannote.core import Segment
from pyannote.database.util import load_rttm
from tests.unit.formats.results import DIARIZATION, DIARIZED, PLAIN, SAID, SILENCE, SPOKEN, TURNS, spoken

from triologue.formats.nist import to_rttm
from triologue.schema import DiarizationResult

NAMES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=12)


def test_rttm_is_what_pyannote_reads(tmp_path: Path) -> None:
    path = tmp_path / "meeting.rttm"
    path.write_text(DIARIZED.to_rttm("Monday meeting"), encoding="utf-8")
    ((recording, annotation),) = load_rttm(path).items()
    assert recording == "Monday_meeting"
    assert [
        (round(segment.start, 3), round(segment.end, 3), label)
        for segment, _, label in annotation.itertracks(yield_label=True)
    ] == [(start, round(end, 3), speaker) for start, end, speaker, _ in SAID]


def test_rttm_by_the_letter() -> None:
    assert DIARIZATION.to_rttm("a") == "SPEAKER a 1 6.690 0.430 <NA> <NA> SPEAKER_00 <NA> <NA>\n"


@pytest.mark.parametrize(
    "name", ['"Ann" Lee', "Jürgen von Groß", "佐藤\u3000花子", "O'Neill & <b>Co</b>: %", "A\u00a0 B"]
)
def test_names_of_speakers_survive_every_format(name: str, tmp_path: Path) -> None:
    turns = [turn.model_copy(update={"speaker": name}) for turn in TURNS[:1]]
    result = DIARIZATION.model_copy(update={"turns": turns})
    path = tmp_path / "meeting.rttm"
    path.write_text(result.to_rttm("meeting"), encoding="utf-8")
    annotation = load_rttm(path)["meeting"]
    written = "".join("_" if mark.isspace() else mark for mark in name)
    assert annotation.labels() == [written.replace('"', "'")]
    assert annotation.get_timeline().extent() == Segment(6.69, 7.12)
    assert len(path.read_text(encoding="utf-8").split()) == 10
    assert result.to_txt() == f"[00:00:06.690 → 00:00:07.120] {name}\n"
    assert result.to_srt().splitlines()[2] == name
    assert DiarizationResult.model_validate_json(result.to_json()) == result


def test_a_transcript_without_speakers_has_no_turns() -> None:
    assert to_rttm(PLAIN, "meeting") == ""


def test_ctm_is_what_meeteval_reads() -> None:
    words = meeteval.io.CTM.parse(SPOKEN.to_ctm("Monday meeting")).lines
    assert [(word.filename, word.channel) for word in words] == [("Monday_meeting", "1")] * 4
    assert [
        (float(word.begin_time), float(word.duration), word.word, float(word.confidence)) for word in words
    ] == [
        (0.5, 0.3, "Good", 0.9),
        (0.8, 0.45, "morning.", 0.95),
        (2.0, 0.0, "你", 0.2),
        (2.0, 0.4, "好", 0.5),
    ]


def test_ctm_needs_words() -> None:
    with pytest.raises(ValueError, match="word_timestamps"):
        DIARIZED.to_ctm()
    blank = spoken([(0.0, 1.0, "A", "  ", 0.5)])
    hidden = blank.segments[0].model_copy(update={"text": "Hello."})
    with pytest.raises(ValueError, match="word_timestamps"):
        blank.model_copy(update={"segments": [hidden]}).to_ctm()
    assert SILENCE.to_ctm() == ""


def test_ctm_is_in_order_of_time_and_has_no_blank_words() -> None:
    mixed = spoken(
        [(5.0, 6.0, "A", " late", 0.5), (1.0, 2.0, "B", " early", 0.5), (2.0, 2.5, "B", "  ", 0.5)]
    )
    assert [line.split()[4] for line in mixed.to_ctm().splitlines()] == ["early", "late"]


def test_words_that_end_before_they_begin_have_no_length() -> None:
    back = spoken([(5.0, 4.0, "A", " odd", 0.5)])
    assert back.to_ctm().split()[2:4] == ["5.000", "0.000"]
    assert back.to_rttm().split()[3:5] == ["5.000", "0.000"]


def test_text_that_looks_like_a_label() -> None:
    tagged = spoken([(0.0, 1.0, "A", " <unk> yes", 0.5)])
    assert tagged.to_stm("a") == "a 1 A 0.000 1.000 <NA> <unk> yes\n"


def test_stm_is_what_meeteval_reads() -> None:
    segments = meeteval.io.STM.parse(SPOKEN.to_stm("Monday meeting")).lines
    assert [
        (line.filename, line.speaker_id, float(line.begin_time), float(line.end_time), line.transcript)
        for line in segments
    ] == [
        ("Monday_meeting", "Ann_Lee", 0.5, 1.25, "Good morning."),
        ("Monday_meeting", "佐藤", 2.0, 2.4, "你好"),
    ]
    # White space alone is nothing that was said.
    assert [line.speaker_id for line in meeteval.io.STM.parse(PLAIN.to_stm()).lines] == ["unknown"] * 3
    assert SILENCE.to_stm() == ""


@settings(max_examples=60, deadline=None)
@given(NAMES, NAMES.filter(lambda text: text.strip()), NAMES)
def test_nothing_that_is_said_breaks_a_line(name: str, word: str, recording: str) -> None:
    result = spoken([(0.0, 2.0, name, f" {word}", 0.5), (5.0, 7.0, "Bob", " Yes.", 0.5)])
    (first, second) = meeteval.io.CTM.parse(result.to_ctm(recording)).lines
    assert first.filename == second.filename
    assert (first.word, second.word) == ("".join("_" if m.isspace() else m for m in word.strip()), "Yes.")
    (first, second) = meeteval.io.STM.parse(result.to_stm(recording)).lines
    label = "<NA> " if word.strip().startswith("<") else ""
    assert first.transcript == label + " ".join(word.split())
    assert second.speaker_id == "Bob"
    for line in result.to_rttm(recording).splitlines():
        assert len(line.split()) == 10
