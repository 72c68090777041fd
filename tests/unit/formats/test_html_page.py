"""The page of a result in a real browser."""

import io
import json
import math
import shutil
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysubs2
import pytest
import webvtt
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.unit.formats.results import DIARIZATION, PLAIN, SILENCE, spoken

from triologue import DiarizedTranscriptionResult

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

HOSTILE = "<img src=x onerror=document.title='run'>"
SAID = [
    (0.5, 1.0, "SPEAKER_00", " Good", 0.9),
    (1.0, 1.5, "SPEAKER_00", " morning,", 0.3),
    (1.5, 2.0, "SPEAKER_00", " New", 0.9),
    (2.0, 2.5, "SPEAKER_00", " York.", 0.9),
    (4.0, 4.5, "SPEAKER_01", f" {HOSTILE}", 0.9),
    (4.5, 5.0, "SPEAKER_01", " new", 0.9),
    (5.0, 5.5, "SPEAKER_01", " York!", 0.9),
]
RESULT = spoken(SAID).model_copy(update={"audio": spoken(SAID).audio.model_copy(update={"duration": 8.0})})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Of root, Chromium asks for its sandbox to be off.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of a tone."""
    path = tmp_path_factory.mktemp("audio") / "meeting.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        samples = (int(3000 * math.sin(at / 3)) for at in range(64_000))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return path


class Shown:
    """A page in a browser, and what went wrong with it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.wrong.append(message.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url.partition(":")[0]))

    @property
    def time(self) -> float:
        return float(self.page.evaluate("document.querySelector('audio').currentTime"))

    @property
    def marked(self) -> list[str]:
        return self.page.locator(".now").all_inner_texts()

    def until(self, condition: str) -> None:
        """Wait for something; the page's policy forbids what Playwright would do."""
        for _ in range(500):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(condition)

    def saved(self, kind: str) -> str:
        with self.page.expect_download() as download:
            self.page.locator(f"[data-export={kind}]").click()
        assert download.value.suggested_filename == f"Monday_ 1_2.{kind}"
        return Path(download.value.path()).read_text(encoding="utf-8")


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    opened: list[Shown] = []

    def show(html: str, **options: Any) -> Shown:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        shown = Shown(browser.new_page(**options))
        opened.append(shown)
        shown.page.goto(path.as_uri())
        return shown

    yield show
    for shown in opened:
        assert shown.wrong == []
        assert set(shown.asked) <= {"file", "data", "blob"}
        assert shown.asked.count("file") == 1
        shown.page.close()


@pytest.fixture
def shown(show: Any, recording: Path) -> Shown:
    page: Shown = show(RESULT.to_html(title="Monday: 1/2", audio=recording))
    page.until("document.querySelector('audio').readyState > 0")
    return page


def test_a_word_that_is_clicked_is_where_the_player_goes(shown: Shown) -> None:
    shown.page.get_by_text("York.").click()
    assert shown.time == 2.0
    assert shown.marked == ["York."]
    assert shown.page.locator("#timeline").get_attribute("aria-valuetext") == "0:02 of 0:08"


def test_words_light_up_while_it_plays(shown: Shown) -> None:
    page = shown.page
    page.evaluate("document.querySelector('audio').muted = true")
    page.get_by_role("button", name="Play from 0:04").click()
    shown.until("document.querySelector('audio').currentTime > 5.1")
    shown.until("document.querySelector('.now')?.textContent == 'York!'")
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('audio').paused")


def test_nothing_that_is_said_runs(shown: Shown) -> None:
    assert shown.page.title() == "Monday: 1/2"
    assert shown.page.locator("img").count() == 0
    assert HOSTILE in shown.page.locator("#transcript").inner_text()


def test_a_speaker_gets_another_name_everywhere(shown: Shown) -> None:
    page = shown.page
    page.get_by_label("Name of SPEAKER_01").fill("Ann & <b>Bob</b>")
    assert page.locator(".said .name").all_inner_texts() == ["SPEAKER_00", "Ann & <b>Bob</b>"]
    assert page.locator(".lane .name").all_inner_texts() == ["SPEAKER_00", "Ann & <b>Bob</b>"]
    srt = pysubs2.SSAFile.from_string(shown.saved("srt"), format_="srt", keep_html_tags=True)
    assert srt[-1].text.startswith("Ann & <b>Bob</b>: ")
    vtt = list(webvtt.from_buffer(io.StringIO(shown.saved("vtt"))))
    assert vtt[-1].voice == "Ann &amp; &lt;b&gt;Bob&lt;/b&gt;"
    result = DiarizedTranscriptionResult.model_validate_json(shown.saved("json"))
    assert result.speakers == ["Ann & <b>Bob</b>", "SPEAKER_00"]
    assert result.words[-1].speaker == "Ann & <b>Bob</b>"
    assert shown.saved("txt").splitlines()[0] == "[0:00] SPEAKER_00: Good morning, New York."
    page.get_by_label("Name of SPEAKER_01").fill(" ")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name of SPEAKER_01")).to_have_value("SPEAKER_01")


def test_search_goes_across_words(shown: Shown) -> None:
    page = shown.page
    page.keyboard.press("/")
    page.keyboard.type("new  york")
    expect(page.locator("#count")).to_have_text("1 of 2")
    assert page.locator(".hit").all_inner_texts() == ["New", "York.", "new", "York!"]
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("2 of 2")
    assert page.locator(".current-hit").all_inner_texts() == ["new", "York!"]
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#count")).to_have_text("1 of 2")
    page.locator("#query").fill("Boston")
    expect(page.locator("#count")).to_have_text("no match")
    page.keyboard.press("Escape")
    assert page.locator(".hit").count() == 0


def test_keys(shown: Shown) -> None:
    page = shown.page
    page.keyboard.press("ArrowRight")
    assert shown.time == 5.0
    page.keyboard.press("ArrowLeft")
    assert shown.time == 0.0
    page.keyboard.press("j")
    assert shown.time == 0.5
    page.keyboard.press("j")
    assert shown.time == 4.0
    page.keyboard.press("k")
    assert shown.time == 0.5
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    # Words: one can be reached by Tab, arrows go on.
    assert page.locator(".w[tabindex='0']").all_inner_texts() == ["Good"]
    page.locator(".w[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "New"
    page.keyboard.press("Enter")
    assert 1.5 <= shown.time < 2.5
    # No key acts while somebody types.
    page.locator("#query").focus()
    page.keyboard.type("j?")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_timeline_shows_turns_and_seeks(shown: Shown) -> None:
    page = shown.page
    bars = page.locator("#timeline rect")
    assert [bar.get_attribute("x") for bar in bars.all()] == ["0.50", "4.00"]
    lane = page.locator("#timeline svg").first.bounding_box()
    assert lane is not None
    page.mouse.click(lane["x"] + lane["width"] * 0.75, lane["y"] + lane["height"] / 2)
    assert shown.time == pytest.approx(6.0, abs=0.1)
    second = page.locator("#timeline rect").nth(1).bounding_box()
    assert second is not None
    assert second["x"] - lane["x"] == pytest.approx(lane["width"] / 2, abs=1.0)
    assert page.locator(".share").all_inner_texts() == ["57%, 0:02", "43%, 0:01"]


def test_what_is_uncertain_is_marked_until_it_is_not_wanted(shown: Shown) -> None:
    def line() -> str:
        return str(shown.page.locator(".unsure").evaluate("e => getComputedStyle(e).textDecorationStyle"))

    assert shown.page.locator(".unsure").inner_text() == "morning,"
    assert shown.page.locator(".unsure").get_attribute("title") == "30% certain"
    assert line() == "dotted"
    shown.page.get_by_label("Mark what is uncertain").uncheck()
    assert line() == "solid"


def test_a_screen_reader_has_a_name_for_everything(shown: Shown) -> None:
    controls = "button, input:not([type=file]), audio, [role=slider]"
    for control in shown.page.locator(controls).all():
        name = control.evaluate(
            "e => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent.trim()"
            " || e.closest('[aria-label]')?.ariaLabel"
        )
        assert name, control.evaluate("e => e.outerHTML")
    for role, name in (
        ("region", "Player"),
        ("region", "Speakers"),
        ("main", "Transcript"),
        ("search", None),
    ):
        assert shown.page.get_by_role(role, name=name).count() == 1  # type: ignore[arg-type]


def pixels(page: Page) -> Any:
    import matplotlib.image

    return matplotlib.image.imread(io.BytesIO(page.screenshot()))[:, :, :3]


# As WCAG 2.2 works it out.
CONTRAST = """() => {
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.documentElement).backgroundColor);
  const written = "p, h1, h2, .name, .at, .share, .rename, button, label, .w";
  return [...document.querySelectorAll(written)].map((e) => {
    const ink = light(getComputedStyle(e).color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_can_be_read(scheme: str, show: Any) -> None:
    many = [(float(at), at + 0.5, f"SPEAKER_{at:02d}", " Hello.", 0.9) for at in range(10)]
    page = show(spoken(many).to_html(), color_scheme=scheme).page
    picture = pixels(page)
    # Paper, and writing on it.
    assert bool(picture.mean() > 0.8) is (scheme == "light")
    assert picture.std() > 0.05
    assert min(page.evaluate(CONTRAST)) >= 4.5


def test_a_phone_shows_all_of_it(show: Any) -> None:
    page = show(RESULT.to_html(), viewport={"width": 360, "height": 700}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_a_recording_the_page_asks_for_it(show: Any, recording: Path) -> None:
    shown = show(RESULT.to_html())
    assert not shown.page.locator("audio").is_visible()
    shown.page.get_by_label("Choose the recording").set_input_files(recording)
    shown.until("document.querySelector('audio').readyState > 0")
    shown.page.get_by_text("York.").click()
    assert shown.time == 2.0


@pytest.mark.parametrize(
    ("result", "paragraphs", "lanes"), [(PLAIN, 2, 0), (DIARIZATION, 1, 1), (SILENCE, 0, 0)]
)
def test_other_results(result: Any, paragraphs: int, lanes: int, show: Any) -> None:
    page = show(result.to_html()).page
    assert page.locator(".said").count() == paragraphs
    assert page.locator("#timeline").is_visible() is bool(lanes)
    assert page.locator(".lane").count() == lanes
    assert page.get_by_role("heading", name="Speakers").is_visible() is bool(lanes)
    assert json.loads(page.locator("#data").inner_text())["result"]["type"] == result.type


def test_without_scripts_the_text_is_there(show: Any) -> None:
    page = show(RESULT.to_html(), java_script_enabled=False).page
    assert "Good morning, New York." in page.locator("#transcript").inner_text()


def test_three_hours_are_quick(show: Any) -> None:
    words = [
        (at * 0.36, at * 0.36 + 0.3, f"SPEAKER_{at // 40 % 4:02d}", f" word{at}.", 0.9)
        for at in range(30_000)
    ]
    shown = show(spoken(words).to_html())
    assert shown.page.locator(".w").count() == 30_000
    shown.page.locator("#query").fill("word29999")
    expect(shown.page.locator("#count")).to_have_text("1 of 1")
    expect(shown.page.locator(".current-hit")).to_be_in_viewport()
