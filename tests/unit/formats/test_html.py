"""The page of a result, as text: everything is there, and nothing of it can run."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.unit.formats.results import DIARIZATION, DIARIZED, PLAIN, SILENCE, SPOKEN, WORDS, spoken

from triologue import DiarizedTranscriptionResult
from triologue.formats import FORMATS, Setting


class Page(HTMLParser):
    """The elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.elements.append((tag, own))
        self.open.append(f"{tag} {own.get('id') or own.get('class') or ''}".strip())
        self.texts.setdefault(self.open[-1], []).append("")

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop().split()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [own for name, own in self.elements if name == tag]

    @property
    def data(self) -> dict[str, object]:
        return dict(json.loads(self.texts["script data"][0]))


def words_of(page: Page) -> list[str]:
    return [text for name, texts in page.texts.items() if name.startswith("span w") for text in texts]


def test_every_word_is_there_once_with_its_time() -> None:
    page = Page(SPOKEN.to_html())
    assert sorted(words_of(page)) == sorted(text.strip() for _, _, _, text, _ in WORDS)
    times = [own["data-t"] for own in page.all("span") if "data-t" in own]
    assert times == [f"{start:.2f} {end:.2f}" for start, end, *_ in WORDS]


def test_spaces_stay_between_words_and_nowhere_else() -> None:
    (good, chinese) = re.findall(r"<p>(<span.*?)</p>", SPOKEN.to_html().replace("<p> ", "<p>"))
    assert "".join(re.split(r"<.*?>", good)) == "Good morning."
    assert "".join(re.split(r"<.*?>", chinese)) == "你好"


def test_what_is_uncertain_is_marked_in_words_too() -> None:
    marked = [own for own in Page(SPOKEN.to_html()).all("span") if "unsure" in (own["class"] or "").split()]
    assert [own["title"] for own in marked] == ["20% certain"]


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\" onfocus=alert(1) x='&lt;"


def test_nothing_that_is_said_is_markup() -> None:
    result = spoken([(0.0, 1.0, HOSTILE, f" {HOSTILE}", 0.9), (2.0, 3.0, "]]>", " <!--", 0.9)])
    calm, page = Page(SPOKEN.to_html(title="x")), Page(result.to_html(title=HOSTILE))
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in calm.elements}
    assert not {name for _, own in page.elements for name in own if name.startswith("on")}
    assert words_of(page) == [HOSTILE, "<!--"]
    assert page.texts["title"] == [HOSTILE]
    assert [own["value"] for own in page.all("input") if own.get("class") == "rename"] == [HOSTILE, "]]>"]
    assert page.data["speakers"] == [HOSTILE, "]]>"]


def test_the_policy_allows_what_is_written_here_and_nothing_else() -> None:
    page = Page(SPOKEN.to_html())
    (policy,) = (own["content"] or "" for own in page.all("meta") if own.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        found = hashlib.sha256(page.texts[tag][-1].encode()).digest()
        assert f"{directive} 'sha256-{base64.b64encode(found).decode()}'" in policy


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "meeting.ogg"
    path.write_bytes(b"OggS" + bytes(100))
    page = Page(SPOKEN.to_html(audio=path))
    links = [own[name] for _, own in page.elements for name in ("src", "href") if name in own]
    assert links == [f"data:audio/ogg;base64,{base64.b64encode(path.read_bytes()).decode()}"]
    assert not any(own.get("src") for own in Page(SPOKEN.to_html()).all("audio"))


@pytest.mark.parametrize(
    ("name", "beginning", "kind"),
    [
        ("a.wav", b"RIFF....WAVE", "audio/wav"),
        ("a", b"RIFF....WAVE", "audio/wav"),
        ("a.bin", b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        ("a", b"ID3\x04", "audio/mpeg"),
        ("a.webm", b"\x1aE\xdf\xa3", "audio/webm"),
        ("a.flac", b"fLaC", "audio/flac"),
        ("a.aac", b"\xff\xf1", "audio/x-aac"),
        ("a", b"?", "audio/mpeg"),
    ],
)
def test_kinds_of_recordings(name: str, beginning: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(beginning)
    (audio,) = Page(SPOKEN.to_html(audio=path)).all("audio")
    found = (audio["src"] or "").partition(";")[0].removeprefix("data:")
    assert found.replace("x-aac", "aac") == kind.replace("x-aac", "aac")


def test_a_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SPOKEN.to_html(audio=tmp_path / "missing.wav")
    with pytest.raises(TypeError, match="fetched"):
        SPOKEN.to_html(audio="https://example.org/a.wav")


def test_the_language_of_the_transcript() -> None:
    def main(language: str) -> dict[str, str | None]:
        info = SPOKEN.transcription_info.model_copy(update={"language": language})
        return Page(SPOKEN.model_copy(update={"transcription_info": info}).to_html()).all("main")[0]

    assert (main("en")["lang"], main("en")["dir"]) == ("en", "ltr")
    assert (main("ar")["lang"], main("ar")["dir"]) == ("ar", "rtl")
    assert main("silence")["lang"] == ""


@pytest.mark.parametrize("result", [PLAIN, DIARIZED, DIARIZATION, SILENCE], ids=lambda result: result.type)
def test_every_result_makes_a_page(result: DiarizedTranscriptionResult) -> None:
    written = FORMATS["html"].write(result, Setting("meeting"))
    page = Page(written)
    assert page.texts["h1"] == ["meeting"]
    assert ("Nobody speaks" in written) is (result is SILENCE)
    assert type(result).model_validate(page.data["result"]) == result
    assert len(page.all("article")) == {"transcription": 2, "diarized_asr": 2, "diarization": 1}[
        result.type
    ] * (result is not SILENCE)
