"""CUDA 12's cuBLAS, for CTranslate2."""

import ctypes
from importlib.util import find_spec
from pathlib import Path

# In the order in which they need each other.
_LIBRARIES = ("libcublasLt.so.12", "libcublas.so.12")


def preload_cublas() -> None:
    """Load the cuBLAS that CTranslate2 will look for by name: the system's, or that of the `gpu` extra.

    PyTorch brings the one of CUDA 13, which CTranslate2 cannot use.

    Raises:
        RuntimeError: There is none; the message says what to install.
    """
    spec = find_spec("nvidia.cublas")
    folders = [Path(place, "lib") for place in spec.submodule_search_locations or ()] if spec else []
    for library in _LIBRARIES:
        found = [folder / library for folder in folders if (folder / library).is_file()]
        try:
            ctypes.CDLL(str(found[0] if found else library), ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise RuntimeError(
                f"Whisper on a GPU needs {library} of CUDA 12 ({error}); "
                "install it with the extra `gpu`: `uv sync --extra gpu`"
            ) from None
