"""The notebook of docs/, run from top to bottom against a real server."""

import base64
import io
import re
import sys
import wave
from collections import Counter
from pathlib import Path
from typing import Any

import matplotlib.image
import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from triologue_server.triton.server import TritonServer

NOTEBOOK = Path(__file__).parents[2] / "docs" / "diarized_transcription_example.ipynb"


class Kernels(AsyncKernelManager):
    """Kernels of the Python that runs the tests, whatever is installed on the machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"])


@pytest.fixture
def cells(triton: TritonServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The code cells with what they gave."""
    for name in (
        "IPYTHONDIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_CONFIG_DIR",
        "MPLCONFIGDIR",
    ):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("TRIOLOGUE_URL", triton.http_url)
    monkeypatch.delenv("TRIOLOGUE_EXAMPLE_AUDIO", raising=False)
    # The kernel draws into the notebook, unless it is told another way.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_manager_class=Kernels,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def data_of(cells: list[Any], kind: str) -> list[str]:
    return [output.data[kind] for cell in cells for output in cell.outputs if kind in output.get("data", {})]


def bars_of(picture: str) -> list[tuple[float, ...]]:
    """The colours of a picture that cover more than the edges of letters; paper and ink are none."""
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture)))[:, :, :3]
    counts = Counter(tuple(pixel) for pixel in pixels.reshape(-1, 3).round(2).tolist())
    return [colour for colour, count in counts.items() if count > 500 and max(colour) - min(colour) > 0.2]


def clip_of(shown: str) -> bytes:
    """The WAV file inside an audio element."""
    found = re.search(r"<audio.*?base64,([^\"]+)", shown, re.DOTALL)
    return base64.b64decode(found[1]) if found else b""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_notebook_runs_to_its_end(cells: list[Any], tmp_path: Path) -> None:
    texts = [text_of(cell) for cell in cells]
    transcript, turns, merged, diarized, compared = texts[1:6]
    assert "Hello." in transcript
    assert "SPEAKER_00" not in transcript
    for found in (turns, merged, diarized):
        assert "SPEAKER_00" in found
        assert "SPEAKER_01" in found
    assert "Hello." in merged
    assert "Hello." in diarized
    # A merge by times and one by voices agree on most of this call.
    assert {line[:2] for line in compared.splitlines()} <= {"- ", "+ "}
    assert len(compared) < len(merged)
    assert any("[transcription: 30 of 30 s]" in text for text in texts)
    (picture,) = data_of(cells, "image/png")
    assert len(bars_of(picture)) == 2
    tables = data_of(cells, "text/html")
    assert any("speaker_confidence" in shown for shown in tables)
    (clip,) = [clip for shown in tables if (clip := clip_of(shown))]
    with wave.open(io.BytesIO(clip)) as file:
        assert file.getframerate() == 16_000
        assert 6.0 < file.getnframes() / file.getframerate() < 8.0
        assert any(file.readframes(file.getnframes()))
    assert (tmp_path / "call.srt").read_text(encoding="utf-8").startswith("1\n00:00:0")
    assert (tmp_path / "call.rttm").read_text(encoding="utf-8").startswith("SPEAKER call 1 ")
    assert "SPEAKER_01" in (tmp_path / "call.html").read_text(encoding="utf-8")


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []
