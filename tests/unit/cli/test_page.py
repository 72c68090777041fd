"""Pages, and the browser."""

from pathlib import Path

import pytest
from tests.unit.cli.running import Serve, plain, refusing, run


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    pages: list[str] = []

    def show(page: str) -> bool:
        pages.append(page)
        return True

    monkeypatch.setattr("webbrowser.open", show)
    return pages


def test_it_is_opened_where_it_was_written(
    recording: Path, tmp_path: Path, serve: Serve, opened: list[str]
) -> None:
    page = tmp_path / "a b.html"
    with serve("http", plain) as url:
        result = run("transcribe", recording, "--open", "-o", page, url=url)
    assert result.exit_code == 0
    assert opened == [page.as_uri()]
    assert "UklGRg==" in page.read_text(encoding="utf-8")  # The recording.


def test_without_output_it_is_a_temporary_file(
    recording: Path,
    tmp_path: Path,
    serve: Serve,
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with serve("http", plain) as url:
        result = run("transcribe", recording, "--open", "--no-audio", url=url)
    assert result.stdout == ""
    (page,) = tmp_path.glob("triologue-*/meeting.html")
    assert opened == [page.as_uri()]
    assert str(page) in result.stderr
    assert "UklGRg==" not in page.read_text(encoding="utf-8")


def test_no_browser(recording: Path, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda page: False)
    with serve("http", plain) as url:
        result = run("transcribe", recording, "--open", "-o", tmp_path / "a.html", url=url)
    assert f"warning: there is no browser to open {tmp_path / 'a.html'} in" in result.stderr


def test_nothing_is_opened_for_several_or_none(
    calls: Path, recording: Path, tmp_path: Path, serve: Serve, opened: list[str]
) -> None:
    several = run("transcribe", calls, "--open", "-o", tmp_path / "out")
    assert "is for one recording" in several.stderr
    with serve("http", refusing(b"RIFF", "INVALID_AUDIO: no")) as url:
        failed = run("transcribe", recording, "--open", "-o", tmp_path / "a.html", url=url)
    assert (several.exit_code, failed.exit_code) == (2, 1)
    assert opened == []


def test_standard_input_has_a_page_without_a_recording(
    tmp_path: Path, serve: Serve, opened: list[str]
) -> None:
    with serve("http", plain) as url:
        result = run("transcribe", "-", "-f", "html", url=url, stdin=b"RIFF")
    assert result.exit_code == 0
    assert "</html>" in result.stdout
    assert "UklGRg==" not in result.stdout
