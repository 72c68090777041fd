"""The notebook of docs/, run from top to bottom against a real server."""

import base64
import io
import sys
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


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_notebook_runs_to_its_end(cells: list[Any], tmp_path: Path) -> None:
    texts = [text_of(cell) for cell in cells]
    transcript, turns, merged, diarized = texts[1:5]
    assert "Hello." in transcript
    assert "SPEAKER_00" not in transcript
    for found in (turns, merged, diarized):
        assert "SPEAKER_00" in found
        assert "SPEAKER_01" in found
    assert "Hello." in merged
    assert any("[transcription: 30 of 30 s]" in text for text in texts)
    (picture,) = data_of(cells, "image/png")
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture)))[:, :, :3]
    # Bars of two speakers, on paper.
    assert len({tuple(pixel) for pixel in pixels.reshape(-1, 3).round(2).tolist()}) > 3
    assert any("<audio" in shown for shown in data_of(cells, "text/html"))
    assert any("speaker_confidence" in shown for shown in data_of(cells, "text/html"))
    assert (tmp_path / "call.srt").read_text(encoding="utf-8").startswith("1\n00:00:0")
    assert "SPEAKER_01" in (tmp_path / "call.html").read_text(encoding="utf-8")
    assert not any(cell.outputs for cell in nbformat.read(NOTEBOOK, as_version=4).cells if "outputs" in cell)
