"""Tables and notes: TSV, Markdown, and the objects of pandas and pyannote."""

import io
import sys
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pyannote.core import Segment
from tests.unit.formats.results import DIARIZATION, DIARIZED, PLAIN, SAID, SILENCE, SPOKEN, spoken

TEXT = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)


def table(tsv: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(tsv), sep="\t", keep_default_na=False, dtype={"text": str, "speaker": str})


def test_tsv_is_what_pandas_reads() -> None:
    read = table(DIARIZED.to_tsv())
    assert list(read.columns) == ["start", "end", "text", "speaker"]
    assert read.to_records(index=False).tolist() == [
        (6690, 7120, "Hello.", "SPEAKER_00"),
        (7500, 8334, "How are you?", "SPEAKER_00"),
        (3661000, 3662000, "Schön, danke – 你好 <b> {x}!", "SPEAKER_01"),
    ]
    assert list(table(PLAIN.to_tsv()).columns) == ["start", "end", "text"]
    assert DIARIZATION.to_tsv() == "start\tend\tspeaker\n6690\t7120\tSPEAKER_00\n"
    assert SILENCE.to_tsv() == "start\tend\ttext\n"


class Words(HTMLParser):
    """What a page of Markdown shows, a line a block, without the times."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self.bold: list[str] = []
        self.is_code = self.is_bold = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in {"p", "h1", "li", "blockquote", "table", "hr", "pre"}:
            self.blocks.append("")
        self.is_code = tag == "code"
        self.is_bold = tag == "strong"

    def handle_endtag(self, tag: str) -> None:
        self.is_code = self.is_bold = False

    def handle_data(self, data: str) -> None:
        if self.is_bold:
            self.bold.append(data)
        if not self.is_code and self.blocks:
            self.blocks[-1] += data.strip("\n")


def shown(markdown: str) -> Words:
    return Words(MarkdownIt("gfm-like", {"linkify": False}).render(markdown))


def test_markdown_is_a_title_and_paragraphs() -> None:
    page = shown(SPOKEN.to_markdown("Monday *meeting*"))
    assert page.bold == ["Ann Lee", "佐藤"]
    assert page.blocks == [
        "Monday *meeting*",
        "language en (0.98) · audio 30.0 s · processed in 5.2 s · RTFx 5.8 · 2 speakers",
        "Ann Lee  Good morning.",
        "佐藤  你好",
    ]
    assert SPOKEN.to_markdown().splitlines()[4] == "**Ann Lee** `00:00:00.500` Good morning."
    assert shown(DIARIZATION.to_markdown()).blocks[2:] == ["SPEAKER_00  until 00:00:07.120"]
    assert len(shown(SILENCE.to_markdown()).blocks) == 2


@settings(max_examples=100, deadline=None)
@given(TEXT, TEXT)
def test_nothing_that_is_said_is_markup_or_breaks_a_row(name: str, word: str) -> None:
    result = spoken([(0.0, 2.0, name, f" {word} 1. # x", 0.5), (9.0, 9.5, "Bob", " Yes.", 0.5)])
    assert shown(result.to_markdown()).blocks[2:] == [f"{name}  {word} 1. # x", "Bob  Yes."]
    read = table(result.to_tsv())
    assert read["text"].tolist() == [f"{word} 1. # x", "Yes."]
    assert read["speaker"].tolist() == [name, "Bob"]


def test_data_frames() -> None:
    segments = SPOKEN.to_dataframe()
    assert list(segments.columns) == ["start", "end", "text", "speaker", "confidence", "no_speech_confidence"]
    assert segments["text"].tolist() == ["Good morning.", "你好"]
    words = SPOKEN.to_dataframe("words")
    assert list(words.columns) == [
        "start",
        "end",
        "word",
        "speaker",
        "confidence",
        "speaker_confidence",
        "overlapped",
    ]
    assert words["word"].tolist() == ["Good", "morning.", "你", "好"]
    assert words.groupby("speaker")["confidence"].min().to_dict() == {"Ann Lee": 0.9, "佐藤": 0.2}
    assert SPOKEN.to_dataframe("turns")["end"].tolist() == [1.25, 2.4]
    assert DIARIZATION.to_dataframe().to_dict("list") == {
        "start": [6.69],
        "end": [7.12],
        "speaker": ["SPEAKER_00"],
    }
    assert words["speaker_confidence"].dtype == SILENCE.to_dataframe("words")["confidence"].dtype == "float64"
    assert words["speaker_confidence"].isna().all()
    assert SILENCE.to_dataframe().empty
    unsaid = [word.model_copy(update={"speaker": None}) for word in SPOKEN.segments[0].words]
    segment = SPOKEN.segments[0].model_copy(update={"words": unsaid})
    alone = SPOKEN.model_copy(update={"segments": [segment]}).to_dataframe("words")
    assert alone["speaker"].tolist() == ["Ann Lee", "Ann Lee"]
    with pytest.raises(ValueError, match="TranscriptionResult has no 'turns'"):
        PLAIN.to_dataframe("turns")


def test_a_name_that_is_blank_is_no_markup() -> None:
    assert "**" not in spoken([(0.0, 1.0, " ", " Hello.", 0.9)]).to_markdown()


def test_annotation() -> None:
    annotation = DIARIZED.to_annotation("meeting")
    assert annotation.uri == "meeting"
    assert [(segment, label) for segment, _, label in annotation.itertracks(yield_label=True)] == [
        (Segment(start, end), speaker) for start, end, speaker, _ in SAID
    ]


def test_turns_at_the_same_time_are_tracks_of_their_own() -> None:
    turns = [
        turn.model_copy(update={"time_interval": DIARIZED.turns[0].time_interval}) for turn in DIARIZED.turns
    ]
    annotation = DIARIZED.model_copy(update={"turns": turns}).to_annotation()
    assert len(list(annotation.itertracks())) == 4


@pytest.mark.parametrize(
    ("library", "method"), [("pandas", "to_dataframe"), ("pyannote.core", "to_annotation")]
)
def test_what_to_install(library: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"pip install {library}"):
        getattr(DIARIZED, method)()
