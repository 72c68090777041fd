"""Text, JSON, summaries, and what holds of every format."""

import pytest
from tests.unit.formats.results import DIARIZATION, DIARIZED, PLAIN, SILENCE, SPOKEN

from triologue.formats import FORMATS, Setting, summarize
from triologue.formats.lines import timestamp
from triologue.schema import DiarizationResult, TranscriptionResult


def test_text_of_a_diarized_transcript() -> None:
    assert DIARIZED.to_txt() == (
        "[00:00:06.690 → 00:00:07.120] SPEAKER_00  Hello.\n"
        "[00:00:07.500 → 00:00:08.334] SPEAKER_00  How are you?\n"
        "[01:01:01.000 → 01:01:02.000] SPEAKER_01  Schön, danke – 你好 <b> {x}!\n"
    )


def test_text_without_speakers_and_without_words() -> None:
    assert PLAIN.to_txt().splitlines()[0] == "[00:00:06.690 → 00:00:07.120] Hello."
    assert DIARIZATION.to_txt() == "[00:00:06.690 → 00:00:07.120] SPEAKER_00\n"


@pytest.mark.parametrize("result", [PLAIN, DIARIZED, DIARIZATION, SILENCE], ids=lambda result: result.type)
def test_json_reads_back_as_the_result(result: TranscriptionResult | DiarizationResult) -> None:
    written = result.to_json()
    assert type(result).model_validate_json(written) == result
    assert '\n  "audio": {\n' in written


def test_silence_has_no_lines() -> None:
    assert SILENCE.to_txt() == ""
    assert SILENCE.to_srt() == ""


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


RESULTS = [PLAIN, DIARIZED, DIARIZATION, SILENCE, SPOKEN]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "html"])
@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.type)
def test_every_format_takes_every_result_that_it_is_for(
    name: str, result: TranscriptionResult | DiarizationResult
) -> None:
    form = FORMATS[name]
    if form.needs_words and result not in (SPOKEN, SILENCE):
        return
    if not form.is_for_diarizations and result is DIARIZATION:
        return
    written = form.write(result, Setting("meeting"))
    assert written == "" or written.endswith("\n")
    assert not written.endswith("\n\n")
    is_empty = result is SILENCE or (form.needs_speakers and result is PLAIN)
    first = ("0.5", "500") if result is SPOKEN else ("6.69", "669")
    assert any(time in written.replace(",", ".") for time in first) is not is_empty


def test_words_of_a_result() -> None:
    assert [word.word for word in SPOKEN.words] == [" Good", " morning.", " 你", "好"]
    assert PLAIN.words == []
