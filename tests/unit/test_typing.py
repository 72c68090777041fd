"""The package as a type checker of its users sees it."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio
from pathlib import Path

from triologue import (
    AsyncClient,
    Client,
    DiarizedAsrOptions,
    InvalidAudio,
    ProgressEvent,
    ResultEvent,
    SegmentEvent,
    Tls,
    cues,
    paragraphs,
)


def sync(path: Path) -> str:
    with Client("grpc://127.0.0.1:8001", timeout_s=60.0, api_key="key", tls=Tls(ca=path)) as client:
        plain = client.transcribe(path, language="en", temperature=(0.0, 0.2), timeout_s=5.0)
        reveal_type(plain)
        reveal_type(client.translate(b"RIFF", beam_size=2))
        reveal_type(client.diarize(path, num_speakers=2))
        reveal_type(client.transcribe_diarized(path, DiarizedAsrOptions(max_speakers=3)))
        reveal_type(client.enroll(path, "Ann"))
        for event in client.stream(path, attribution="word"):
            match event:
                case ProgressEvent(completed=completed):
                    reveal_type(completed)
                case SegmentEvent():
                    reveal_type(event.segment.words[0].speaker)
                case ResultEvent():
                    reveal_type(event.result.processing.rtfx)
        for outcome in client.transcribe_many(path.glob("*.wav"), concurrency=2):
            reveal_type(outcome.unwrap())
        try:
            reveal_type(client.server_info().settings)
        except InvalidAudio as error:
            reveal_type(error.message)
    reveal_type(paragraphs(plain.segments))
    reveal_type(cues(plain.segments)[0].lines)
    return plain.to_srt() + plain.to_html(audio=path)


async def asynchronous(path: Path) -> None:
    async with AsyncClient() as client:
        reveal_type(await client.transcribe_diarized(path))
        async for event in client.stream(path):
            reveal_type(event)
            if isinstance(event, SegmentEvent):
                reveal_type(event.segment.time_interval.duration)


asyncio.run(asynchronous(Path(sync(Path()))))
"""
REVEALED = [
    "triologue.schema.results.TranscriptionResult",
    "triologue.schema.results.TranscriptionResult",
    "triologue.schema.results.DiarizationResult",
    "triologue.schema.results.DiarizedTranscriptionResult",
    "triologue.schema.speakers.KnownSpeaker",
    "float",
    "str | None",
    "float",
    "triologue.schema.results.TranscriptionResult | triologue.schema.results.DiarizationResult",
    "dict[str, str]",
    "str",
    "list[triologue.schema.asr.AsrSegment]",
    "tuple[str, ...]",
    "triologue.schema.results.DiarizedTranscriptionResult",
    "triologue.schema.events.InfoEvent | triologue.schema.events.ProgressEvent | "
    "triologue.schema.events.SegmentEvent | triologue.schema.events.ResultEvent",
    "float",
]


def checked(program: str, folder: Path) -> list[str]:
    """Return what mypy says of a program, without any configuration of ours."""
    (folder / "program.py").write_text(program, encoding="utf-8")
    (folder / "mypy.ini").write_text("[mypy]\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "program.py"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.stderr == ""
    return run.stdout.splitlines()


def test_a_program_is_known_to_be_right(tmp_path: Path) -> None:
    said = checked(PROGRAM, tmp_path)
    assert [line for line in said if ": error:" in line] == []
    revealed = [line.partition("Revealed type is ")[2].strip('"') for line in said if "Revealed" in line]
    # Versions of mypy write the names of builtins differently.
    assert [name.replace("builtins.", "") for name in revealed] == REVEALED


WRONG = {
    'client.transcribe(b"", beam=2)': 'Unexpected keyword argument "beam"',
    'client.transcribe(b"", num_speakers=2)': 'Unexpected keyword argument "num_speakers"',
    'client.translate(b"", task="translate")': 'Unexpected keyword argument "task"',
    'client.diarize(b"", num_speakers="two")': 'incompatible type "str"',
    "client.transcribe([0.1])": 'incompatible type "list[float]"',
    'client.stream(b"", pipeline="translation")': "incompatible type",
    'client.transcribe(b"").turns': 'has no attribute "turns"',
    'client.diarize(b"").to_ctm()': 'has no attribute "to_ctm"',
}


def test_a_program_is_known_to_be_wrong(tmp_path: Path) -> None:
    first = "from triologue import Client; client = Client()"
    said = checked("\n".join([first, *WRONG]) + "\n", tmp_path)
    for number, (wrong, error) in enumerate(WRONG.items(), start=2):
        found = [line for line in said if line.startswith(f"program.py:{number}: error:")]
        assert any(error in line for line in found), wrong
