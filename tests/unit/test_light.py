"""What the client brings with it, and what it loads."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HEAVY = {
    "av",
    "ctranslate2",
    "faster-whisper",
    "matplotlib",
    "pandas",
    "torch",
    "torchaudio",
    "triologue-server",
}


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Return what an installed distribution needs, and what that needs in turn."""
    found: set[str] = set()
    waiting = [(name, extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        found.add(canonicalize_name(each[0]))
        for line in _requirements(each[0]):
            requirement = Requirement(line)
            if requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in each[1] | {""}
            ):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def heavy(names: set[str]) -> set[str]:
    """Return those that the client is to do without."""
    return {name for name in names if name in HEAVY or name.startswith(("pyannote-", "gevent"))}


def _requirements(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # this machine has no use for it
        return []


def test_the_client_brings_nothing_heavy() -> None:
    found = closure("triologue")
    assert {"pydantic", "httpx", "grpcio", "typer"} <= found
    assert heavy(found) == set()
    # The test itself sees what is heavy where it is, and by which extra it comes.
    assert heavy(closure("triologue-server")) >= {"torch", "faster-whisper", "av", "pyannote-audio"}
    assert "geventhttpclient" in closure("tritonclient", frozenset({"all"})) - found


@pytest.mark.parametrize(
    ("program", "loads_not"),
    [
        ("import triologue", {"gevent", "grpc", "httpx", "numpy", "pandas", "tenacity", "torch", "typer"}),
        (
            "from triologue import TranscriptionResult, PostProcessingForDiarizedAsr, paragraphs, cues",
            {"grpc", "httpx", "numpy", "torch"},
        ),
        (
            "from triologue import Client, AsyncClient; Client()",
            {"gevent", "grpc", "numpy", "pandas", "torch", "typer"},
        ),
        (
            "from triologue import Client; Client('grpc://host')",
            {"gevent", "httpx", "pandas", "torch", "typer"},
        ),
        ("import triologue.cli", {"grpc", "httpx", "numpy", "pandas", "torch"}),
    ],
)
def test_nothing_is_loaded_that_is_not_needed(program: str, loads_not: set[str]) -> None:
    code = f"import sys\n{program}\nprint(*sorted({loads_not!r} & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
