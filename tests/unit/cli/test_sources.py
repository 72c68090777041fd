"""Recordings as they are given: files, folders, URLs, standard input."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.unit.cli.running import LINE, Serve, plain, run, seen

from triologue.cli.sources import sources_of


def names(*given: str | Path) -> list[str]:
    return [source.name for source in sources_of([str(each) for each in given])]


def test_a_folder_gives_its_media_sorted_and_none_that_is_hidden(calls: Path) -> None:
    found = sources_of([str(calls)])
    assert [source.path for source in found] == [calls / "a.mp3", calls / "b.wav", calls / "deep/c.MKV"]
    assert [str(source.place) for source in found] == ["a", "b", "deep/c"]
    assert all(source.is_found for source in found)


def test_files_stay_in_their_order_whatever_they_are_called(calls: Path) -> None:
    assert names(calls / "notes.txt", calls / ".hidden.wav", calls / "a.mp3") == [
        f"{calls}/notes.txt",
        f"{calls}/.hidden.wav",
        f"{calls}/a.mp3",
    ]


def test_a_recording_that_is_given_twice_is_taken_once(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(calls)
    assert names("b.wav", ".", "./b.wav") == ["b.wav", "a.mp3", "deep/c.MKV"]


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    result = run("transcribe", tmp_path)
    assert result.exit_code == 2
    assert f"no recordings are in the folder {tmp_path}" in result.stderr


@pytest.mark.parametrize(
    ("url", "name", "place"),
    [
        ("https://example.org/talks/My%20talk.mp3", "https://example.org/talks/My%20talk.mp3", "My talk"),
        ("https://me:secret@example.org/a.wav?sig=secret#t=1", "https://example.org/a.wav", "a"),
        ("HTTP://example.org/", "http://example.org/", "recording"),
        ("http://example.org/..%2F..%2Fetc.wav", "http://example.org/..%2F..%2Fetc.wav", "_.._etc"),
    ],
)
def test_a_url_has_a_name_without_secrets(url: str, name: str, place: str) -> None:
    (source,) = sources_of([url])
    assert (source.name, str(source.place), source.audio) == (name, place, url)


@pytest.fixture
def website() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path.startswith("/talk") else 404)
            self.end_headers()
            self.wfile.write(b"from afar")

        def log_message(self, *args: object) -> None:
            """Keep the output of the tests readable."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_urls_are_fetched(website: str, tmp_path: Path, serve: Serve) -> None:
    with serve("http") as url:
        good = run("transcribe", f"{website}/talk.mp3?sig=secret", "-o", f"{tmp_path}/", url=url)
        bad = run("transcribe", f"{website}/missing.mp3?sig=secret", url=url)
    assert seen(good)[0]["audio"] == "from afar"
    assert (tmp_path / "talk.txt").read_text(encoding="utf-8") == LINE
    assert bad.exit_code == 1
    assert bad.stderr == f"error: INVALID_AUDIO: {website}/missing.mp3 cannot be fetched: HTTP 404\n"


def test_standard_input(tmp_path: Path, serve: Serve) -> None:
    with serve("grpc") as url:
        result = run("transcribe", "-", "-f", "srt", "-o", f"{tmp_path}/", url=url, stdin=b"\x00piped\xff")
    assert seen(result)[0]["audio"] == "\x00piped\xff"
    assert [path.name for path in tmp_path.iterdir()] == ["stdin.srt"]


def test_a_recording_that_is_gone(tmp_path: Path, serve: Serve) -> None:
    gone = tmp_path / "a.wav"
    gone.write_bytes(b"gone")
    here = tmp_path / "b.wav"
    here.write_bytes(b"here")
    with serve("http", plain) as url:
        # Nothing can be read through a link to itself, which is found in the folder all the same.
        gone.unlink()
        gone.symlink_to(gone)
        result = run("transcribe", tmp_path, url=url)
    assert result.exit_code == 1
    assert f"error: INVALID_AUDIO: {gone}: the recording cannot be read: Too many levels" in result.stderr
    assert result.stdout == f"{here}:\n{LINE}"


def test_names_with_blanks_and_signs(tmp_path: Path, serve: Serve) -> None:
    recording = tmp_path / "Überblick – [1] 日本 $x.wav"
    recording.write_bytes(b"RIFF")
    with serve("http", plain) as url:
        result = run("transcribe", recording, recording.rename(tmp_path / "ü :smile:.wav"), url=url)
    assert result.exit_code == 2  # The first one is called something else by now.
    with serve("http", plain) as url:
        result = run("transcribe", tmp_path / "ü :smile:.wav", "-o", f"{tmp_path / 'ä ö'}/", url=url)
    assert (tmp_path / "ä ö" / "ü :smile:.txt").read_text(encoding="utf-8") == LINE
    assert result.exit_code == 0
