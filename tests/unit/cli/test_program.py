"""The command line as a program: pipes, terminals, signals, encodings."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.running import LINE, PROGRAM, SUMMARY, Serve, logged, plain, start

INFO = b'{"type": "info", "audio": {"duration": 30.0, "sample_rate": 16000, "channels": 1}}'
ENDS_WITHIN_S = 2.0
"""A program that is interrupted ends within a second; the rest is for a busy machine."""


def segment(text: str) -> bytes:
    times = {"start": 0.0, "end": 1.0}
    return json.dumps({"type": "segment", "segment": {"text": text, "time_interval": times}}).encode()


def transcript(*texts: str) -> bytes:
    said = [{"text": text, "time_interval": {"start": 0.0, "end": 1.0}} for text in texts]
    return json.dumps(json.loads(plain("transcription")) | {"segments": said}).encode()


class Endless:
    """Works on recordings called `quick` at once, and on others until who asked is gone."""

    def __init__(self) -> None:
        self.begun, self.left = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, *call: Any) -> bytes | Iterator[bytes]:
        return plain(*call) if call[2] == b"quick" else self._events()

    def _events(self) -> Iterator[bytes]:
        try:
            yield INFO
            self.begun.release()
            for second in range(3000):
                yield segment(f" Second {second}.")
                time.sleep(0.02)
        finally:
            self.left.release()


class Silent:
    """Begins, and says nothing more."""

    def __init__(self) -> None:
        self.begun, self.end = threading.Semaphore(0), threading.Event()

    def __call__(self, *call: Any) -> bytes:
        self.begun.release()
        self.end.wait(30)
        return plain(*call)


def interrupt(program: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    began = time.monotonic()
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=20)
    assert time.monotonic() - began < ENDS_WITHIN_S
    assert b"Traceback" not in err
    assert program.returncode == 130
    return out, err


class TestInterrupt:
    @pytest.mark.parametrize("scheme", ["http", "grpc"])
    def test_it_ends_the_work_and_leaves_no_half_file(
        self, scheme: str, calls: Path, tmp_path: Path, serve: Serve
    ) -> None:
        (calls / "a.mp3").write_bytes(b"quick")
        out, answer = tmp_path / "out", Endless()
        with serve(scheme, answer) as url:
            program = start("transcribe", calls, "-j", "2", "-o", out, "--json", url=url)
            for _ in range(2):
                assert answer.begun.acquire(timeout=20)
            _, err = interrupt(program)
            for _ in range(2):
                assert answer.left.acquire(timeout=5)
        assert [path.name for path in out.rglob("*") if path.is_file()] == ["a.txt"]
        summary = logged(err)[-1]
        assert (summary["status"], summary["finished"], summary["not_tried"]) == (130, 1, 2)

    @pytest.mark.parametrize("scheme", ["http", "grpc"])
    def test_it_ends_the_wait_for_a_silent_server(self, scheme: str, recording: Path, serve: Serve) -> None:
        answer = Silent()
        with serve(scheme, answer) as url:
            program = start("transcribe", recording, url=url)
            assert answer.begun.acquire(timeout=20)
            interrupt(program)
            answer.end.set()

    def test_what_waited_for_its_turn_is_printed(self, calls: Path, serve: Serve) -> None:
        (calls / "b.wav").write_bytes(b"quick")
        answer = Endless()
        with serve("http", answer) as url:
            program = start("transcribe", calls, "-j", "2", url=url)
            # The first one blocks; the third one begins when the second one has ended.
            for _ in range(2):
                assert answer.begun.acquire(timeout=20)
            out, err = interrupt(program)
        assert out.decode() == f"{calls / 'b.wav'}:\n{LINE}"
        assert err.endswith(b"3 recordings: 1 finished, 2 not tried\n")

    def test_it_ends_the_wait_for_standard_input(self, serve: Serve) -> None:
        with serve("http", plain) as url:
            program = start("transcribe", "-", "--json", url=url, stdin=subprocess.PIPE)
            assert program.stderr is not None
            program.stderr.readline()
            interrupt(program)


class TestPipes:
    def test_segments_come_before_the_result(self, recording: Path, serve: Serve) -> None:
        answer = Endless()
        with serve("http", answer) as url:
            program = start("transcribe", recording, "--watch", url=url)
            assert program.stdout is not None
            assert program.stdout.readline().decode() == "[00:00:00.000 → 00:00:01.000] Second 0.\n"
            interrupt(program)

    def test_a_reader_who_leaves_while_segments_come(self, recording: Path, serve: Serve) -> None:
        answer = Endless()
        with serve("http", answer) as url:
            program = start("transcribe", recording, "--watch", url=url)
            assert program.stdout is not None
            program.stdout.readline()
            program.stdout.close()
            _, err = program.communicate(timeout=20)
            assert answer.left.acquire(timeout=5)
        assert program.returncode == 141
        assert err == b""

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_a_reader_who_leaves_within_a_result(
        self, unbuffered: str, recording: Path, serve: Serve
    ) -> None:
        result = transcript(*["word " * 20] * 5000)
        with serve("http", lambda *_: result) as url:
            program = start("transcribe", recording, url=url, env={"PYTHONUNBUFFERED": unbuffered})
            assert program.stdout is not None
            program.stdout.readline()
            program.stdout.close()
            _, err = program.communicate(timeout=20)
        assert program.returncode == 141
        assert err == b""

    @pytest.mark.parametrize("arguments", [["transcribe", "--help"], ["models"]])
    def test_a_reader_who_was_never_there(self, arguments: list[str], serve: Serve) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with serve("http") as url:
            program = start(*arguments, url=url, stdout=writer)
            os.close(writer)
            _, err = program.communicate(timeout=20)
        assert program.returncode == 141
        assert err == b""

    def test_a_full_disk_behind_stdout(self, calls: Path, serve: Serve) -> None:
        with Path("/dev/full").open("w") as full, serve("http", plain) as url:
            program = start("transcribe", calls, url=url, stdout=full)
            _, err = program.communicate(timeout=20)
        lines = err.decode().splitlines()
        assert lines[0] == (
            f"error: UNWRITABLE: {calls / 'a.mp3'}: standard output cannot be written: "
            "No space left on device"
        )
        assert lines[1:] == ["3 recordings: 1 failed, 2 not tried"]
        assert program.returncode == 1

    def test_standard_input_and_no_progress(self, serve: Serve) -> None:
        heard: list[bytes] = []

        def answer(*call: Any) -> bytes:
            heard.append(call[2])
            return plain(*call)

        with serve("grpc", answer) as url:
            program = start("transcribe", "-", url=url, stdin=subprocess.PIPE)
            out, err = program.communicate(b"\x00\xff" * 100_000, timeout=20)
        assert heard == [b"\x00\xff" * 100_000]
        assert (out.decode(), err.decode()) == (LINE, f"{SUMMARY}\n")


class Terminal:
    """A terminal, and what was shown on it."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))

    def shown(self) -> str:
        """Wait until nobody writes to it any more."""
        os.close(self.theirs)
        shown = b""
        while True:
            try:
                shown += os.read(self._ours, 65536)
            except OSError:  # It has been hung up.
                os.close(self._ours)
                return shown.decode()


class TestTerminal:
    @staticmethod
    def answer(*call: Any) -> Iterator[bytes]:
        yield INFO
        for second in range(1, 4):
            event = {"type": "progress", "stage": "transcription", "completed": second * 10.0, "total": 30.0}
            yield json.dumps(event).encode()
            yield segment(f" Second {second}.")
            time.sleep(0.15)  # Bars are drawn ten times a second.
        yield b'{"type": "result", "result": %b}' % transcript(" All.")

    def test_bars_are_shown_and_go_and_stdout_has_none_of_it(self, calls: Path, serve: Serve) -> None:
        terminal = Terminal()
        with serve("http", self.answer) as url:
            program = start("transcribe", calls, url=url, stderr=terminal.theirs)
            out, _ = program.communicate(timeout=20)
        shown = terminal.shown()
        assert program.returncode == 0
        assert out.decode().count("[00:00:00.000 → 00:00:01.000] All.\n") == 3
        assert b"\x1b" not in out
        assert "transcription 20 of 30 s" in shown
        assert "1 of 3 recordings" in shown
        assert "━" in shown
        # What is left when the bars have gone is what a file would hold.
        assert f"{calls / 'b.wav'}: {SUMMARY}" in shown
        assert shown.endswith("3 recordings: 3 finished\r\n")
        assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")  # The cursor is there again.

    @pytest.mark.parametrize(("term", "more"), [("dumb", []), ("xterm", ["--quiet"])])
    def test_no_bars(self, term: str, more: list[str], recording: Path, serve: Serve) -> None:
        terminal = Terminal()
        with serve("http", self.answer) as url:
            program = start(
                "transcribe", recording, *more, url=url, stderr=terminal.theirs, env={"TERM": term}
            )
            program.communicate(timeout=20)
        assert terminal.shown() == ("" if more else f"{SUMMARY}\r\n")

    def test_bars_and_segments_on_the_same_terminal(self, recording: Path, serve: Serve) -> None:
        terminal = Terminal()
        with serve("http", self.answer) as url:
            program = start(
                "transcribe", recording, "--watch", url=url, stdout=terminal.theirs, stderr=terminal.theirs
            )
            program.wait(20)
        lines = re.split("\r\n?", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.shown()))
        # Each stands on a line of its own, and not behind a bar.
        for second in range(1, 4):
            assert f"[00:00:00.000 → 00:00:01.000] Second {second}." in lines

    def test_nobody_speaks_into_a_terminal(self, serve: Serve) -> None:
        terminal = Terminal()
        with serve("http", plain) as url:
            program = start("transcribe", "-", url=url, stdin=terminal.theirs)
            _, err = program.communicate(timeout=20)
        terminal.shown()
        assert program.returncode == 2
        assert b"standard input is a terminal" in err


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
"""A language of the system that has no signs but those of ASCII."""


class TestEncodings:
    def test_a_language_that_cannot_write_the_result(self, recording: Path, serve: Serve) -> None:
        with serve("http", lambda *_: transcript(" Größe 日本.")) as url:
            program = start("transcribe", recording, url=url, env=ASCII)
            out, _ = program.communicate(timeout=20)
            terminal = Terminal()
            shown = start("transcribe", recording, "-q", url=url, env=ASCII, stdout=terminal.theirs)
            shown.communicate(timeout=20)
        assert out.decode() == "[00:00:00.000 → 00:00:01.000] Größe 日本.\n"
        assert program.returncode == shown.returncode == 0
        assert terminal.shown() == "[00:00:00.000 \\u2192 00:00:01.000] Gr\\xf6\\xdfe \\u65e5\\u672c.\r\n"

    @pytest.mark.parametrize("env", [{}, ASCII])
    def test_a_name_that_is_no_text(self, env: dict[str, str], tmp_path: Path, serve: Serve) -> None:
        name = os.fsencode(tmp_path) + b"/caf\xe9.wav"
        with open(name, "wb"), open(os.fsencode(tmp_path) + b"/b.wav", "wb"):  # noqa: PTH123
            pass
        with serve("http", plain) as url:
            printed = start("transcribe", tmp_path, "--json", url=url, env=env)
            out, err = printed.communicate(timeout=20)
            written = start("diarize", name, "-f", "rttm", "-o", tmp_path / "out", url=url, env=env)
            written.communicate(timeout=20)
        assert name + b":\n" in out
        assert printed.returncode == written.returncode == 0
        assert len(logged(err)) > 4
        assert (tmp_path / "out").read_bytes().startswith(b"SPEAKER caf\xe9 1 ")


def test_completion_is_shown() -> None:
    # Which shell it is for is found by looking for one that it was started from.
    command = ["bash", "-c", f"'{PROGRAM}' --show-completion; exit $?"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "_TRIOLOGUE_COMPLETE=complete_bash" in shown.stdout


def test_a_page_is_opened_in_the_browser(recording: Path, tmp_path: Path, serve: Serve) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    with serve("http", plain) as url:
        program = start(
            "transcribe",
            recording,
            "--open",
            "-o",
            tmp_path / "a.html",
            url=url,
            env={"BROWSER": str(browser)},
        )
        program.communicate(timeout=20)
    assert (tmp_path / "opened").read_text() == f"{(tmp_path / 'a.html').as_uri()}\n"
