"""What callers send, and what they are told, is in no line of the server's output and in no file."""

import base64
import re
import tempfile
import wave
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.server.recordings import silence, wav
from tests.server.test_commands import descendants
from triologue import Client, InvalidAudio, KnownSpeaker
from triologue_server.settings import Settings
from triologue_server.triton.server import TritonServer

PROMPT = "Xylographic quagswagging, flibbertigibbet."
HOTWORDS = "Wojtylizacja"
NAME = "Zbigniewa Wrzoskiewicz"
BROKEN = b"The kwyjibo wrote a grawlix.\n" * 50
LANGUAGE = "quibbledorf"
MARKS = ("xylographic", "flibbertigibbet", "wojtylizacja", "wrzoskiewicz", "kwyjibo", "grawlix", LANGUAGE)
"""Words that stand in none of the product's own messages."""

FONTS = ("XDG_CACHE_HOME", "matplotlib")
"""Where the fonts of the machine are listed, which nobody asks for."""
ONE = {"concurrency": 1, "queue": 8}


@dataclass
class Observed:
    """What a server said and wrote from when it was ready until it had stopped."""

    upload: bytes
    folder: Path
    """Where all of its folders are."""
    output: list[str] = field(default_factory=list)
    transcripts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    files: list[dict[Path, tuple[int, int]]] = field(default_factory=list)
    """The files in its folders with their times and sizes: when it was ready, and after the requests."""
    written: list[dict[int, int | None]] = field(default_factory=list)
    """How many bytes each process has written to files on disks, at the same moments."""
    shared_memory: list[set[Path]] = field(default_factory=list)
    """Its segments of shared memory, after the requests and after its end."""


@pytest.fixture(scope="module")
def observed(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """A server whose folders are its own, and which says all it can say, after callers of every kind."""
    folder = tmp_path_factory.mktemp("private")
    settings = Settings(
        http_port=0,
        grpc_port=0,
        metrics_port=0,
        log_level="verbose",
        models=Settings().models,
        service={"diarized_asr": ONE, "transcription": ONE, "diarization": ONE},
    )
    with wave.open(str(sample)) as file:
        file.setpos(6 * file.getframerate())
        talk = np.frombuffer(file.readframes(12 * file.getframerate()), np.int16)
    seen = Observed(wav(talk), folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME"):
            (folder / name).mkdir()
            patch.setenv(name, str(folder / name))
        (folder / "cwd").mkdir()
        patch.chdir(folder / "cwd")
        patch.setattr(tempfile, "tempdir", str(folder / "TMPDIR"))
        with TritonServer(settings, on_output=seen.output.append) as server:
            with Client(server.grpc_url, timeout_s=120) as client:
                client.diarize(silence(1.0))  # by now every process has started, and compiled what it runs
            _look(seen, server)
            _call(seen, server)
            _look(seen, server)
            seen.shared_memory.append(_segments(server))
        seen.shared_memory.append(_segments(server))
    return seen


def _look(seen: Observed, server: TritonServer) -> None:
    processes = [server._process.pid, *descendants(server._process.pid)]
    seen.written.append({process: _written(process) for process in processes})
    files = [path for path in seen.folder.rglob("*") if path.is_file()]
    seen.files.append({path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files})


def _written(process: int) -> int | None:
    """Return how many bytes of files on disks a process has written, if the kernel counts them."""
    with suppress(OSError):
        counted = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
        return int(counted["write_bytes"])
    return None


def _segments(server: TritonServer) -> set[Path]:
    return set(Path("/dev/shm").glob(f"{server._shm_prefix}*"))


def _call(seen: Observed, server: TritonServer) -> None:
    known = (KnownSpeaker.from_clip(NAME, seen.upload),)
    for url in (server.http_url, server.grpc_url):
        with Client(url, timeout_s=120) as client:
            result = client.transcribe_diarized(
                seen.upload,
                language="en",
                initial_prompt=PROMPT,
                hotwords=HOTWORDS,
                known_speakers=known,
                known_speaker_threshold=0.0,
            )
            assert NAME in result.speakers
            seen.transcripts.append(result.text)
            with pytest.raises(InvalidAudio) as refusal:
                client.transcribe(BROKEN)
            seen.refusals.append(str(refusal.value))
    unary = f"{server.http_url}/v2/models/diarized_asr"
    reply = httpx.post(
        f"{unary}/infer", content=seen.upload, headers={"Inference-Header-Content-Length": "0"}, timeout=120
    )
    assert reply.is_success
    seen.transcripts.append(reply.content[reply.content.index(b'"transcription":') :].decode())
    asked: dict[str, Any] = {"AUDIO": "none", "language": LANGUAGE, "initial_prompt": PROMPT}
    for url in (f"{unary}/generate", f"{unary}_stream/generate"):
        reply = httpx.post(url, json=asked, timeout=120)
        assert reply.status_code == 400
        seen.refusals.append(reply.json()["error"])


def test_the_callers_were_told_what_must_be_told_to_nobody_else(observed: Observed) -> None:
    assert all("New Jersey" in transcript for transcript in observed.transcripts)
    assert sum(LANGUAGE in refusal for refusal in observed.refusals) == 2
    assert any("diarized_asr_stream" in line for line in observed.output)


def test_no_words_of_a_transcript_are_in_the_output(observed: Observed) -> None:
    said = [words(transcript) for transcript in observed.transcripts]
    threes = {" ".join(spoken[at : at + 3]) for spoken in said for at in range(len(spoken) - 2)}
    assert len(threes) > 20
    for line in observed.output:
        shown = f" {' '.join(words(line))} "
        assert [three for three in threes if f" {three} " in shown] == []


def test_no_words_of_a_callers_options_are_in_the_output(observed: Observed) -> None:
    for line in observed.output:
        assert [mark for mark in MARKS if mark in line.lower()] == []


def test_no_part_of_a_recording_is_in_the_output(observed: Observed) -> None:
    output = "\n".join(observed.output)
    shown = {output[at : at + 16] for at in range(len(output) - 15)}
    for text in (
        observed.upload.decode("utf-8", "replace"),
        observed.upload.decode("latin-1"),
        *(base64.b64encode(observed.upload[skip:]).decode() for skip in range(3)),
        observed.upload.hex(),
    ):
        pieces = {text[at : at + 16] for at in range(0, len(text) - 15, 16)}
        telling = {piece for piece in pieces if len(set(piece)) > 4}  # silence looks like much else
        assert len(telling) > 1_000
        assert telling & shown == set()


def test_no_file_appears_or_changes(observed: Observed) -> None:
    ready, served = observed.files
    assert served == ready


def test_no_library_keeps_or_sends_anything(observed: Observed) -> None:
    """What one of them is to tell to its makers waits in the home of the user, or in the cache there."""
    kept = [path.relative_to(observed.folder).parts for path in observed.files[-1]]
    assert {(folder, of_whom) for folder, of_whom, *_ in kept if folder != "TMPDIR"} <= {FONTS}


def test_no_byte_goes_to_a_disk(observed: Observed) -> None:
    """Wherever the file may lie, and though it be removed again."""
    ready, served = observed.written
    if None in ready.values():
        pytest.skip("this kernel does not tell what processes write")
    assert served == ready


def test_what_lies_in_shared_memory_goes_with_the_server(observed: Observed) -> None:
    served, stopped = observed.shared_memory
    assert len(served) > 0
    assert stopped == set()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
