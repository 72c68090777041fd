"""Find a Triton that can run the models in this Python.

A `tritonserver` that is already on the machine, as in NVIDIA's container, is used as it is. Otherwise the
one inside the wheel `nvidia-pytriton` is. Its Python backend starts a stub built for one minor version of
Python, and the stub loads that Python's shared library: they are put together in a folder of our own.
"""

import ctypes.util
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from triologue_server.triton.launch_error import LaunchError

CONTAINER_TRITON = Path("/opt/tritonserver/bin/tritonserver")

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_LIBPYTHON = f"libpython{_PYTHON}.so.1.0"


@dataclass(frozen=True)
class Installation:
    """A `tritonserver`, and what it takes to start it."""

    executable: Path
    backends: Path
    """Folder for `--backend-directory`."""
    libraries: tuple[Path, ...] = ()
    """Folders that the loader must search first."""

    def environment(self) -> dict[str, str]:
        """Return the variables of this process, with the search paths that Triton and its stubs need."""
        # The stub takes its site-packages from the `python3` that PATH finds first; it ignores PYTHONPATH.
        paths = {
            "PATH": [str(Path(sys.prefix, "bin")), os.environ.get("PATH", os.defpath)],
            "LD_LIBRARY_PATH": [*map(str, self.libraries), os.environ.get("LD_LIBRARY_PATH", "")],
        }
        return os.environ | {name: os.pathsep.join(filter(None, parts)) for name, parts in paths.items()}


def locate_triton() -> Path:
    """Return the `tritonserver` that will be started.

    Raises:
        LaunchError: There is none.
    """
    return _installed() or _wheel() / "bin" / "tritonserver"


def prepare_triton(runtime: Path) -> Installation:
    """Make Triton ready to be started; what has to be put together for it goes into the folder `runtime`.

    Raises:
        LaunchError: There is no Triton, or none that runs this Python.
    """
    if installed := _installed():
        return Installation(installed, installed.resolve().parent.parent / "backends")
    return _assemble(_wheel(), runtime)


def _installed() -> Path | None:
    if found := shutil.which("tritonserver"):
        return Path(found)
    return CONTAINER_TRITON if CONTAINER_TRITON.is_file() else None


def _wheel() -> Path:
    # Found without an import, which would start threads and print advice.
    spec = find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise LaunchError(
            "there is no Triton: install the wheel nvidia-pytriton (Linux), or put tritonserver on PATH, "
            "as NVIDIA's container nvcr.io/nvidia/tritonserver does"
        )
    return Path(spec.origin).parent / "tritonserver"


def _assemble(root: Path, runtime: Path) -> Installation:
    stub = root / "python_backend_stubs" / _PYTHON / "triton_python_backend_stub"
    if not stub.is_file():
        known = ", ".join(sorted((path.name for path in stub.parent.parent.glob("*")), key=_as_version))
        raise LaunchError(f"Triton's wheel does not run Python {_PYTHON}, only {known}: use one of these")
    backend = runtime / "backends" / "python"
    backend.mkdir(parents=True)
    for file in (*root.glob("backends/python/*"), stub):
        (backend / file.name).symlink_to(file)
    libraries = [root.parent.parent / "nvidia_pytriton.libs"]
    if folder := _libpython_folder():
        # Linked alone: its folder may hold others, such as Conda's, that must not get in Triton's way.
        library = runtime / "lib"
        library.mkdir()
        (library / _LIBPYTHON).symlink_to(folder / _LIBPYTHON)
        libraries.insert(0, library)
    return Installation(root / "bin" / "tritonserver", backend.parent, tuple(libraries))


def _libpython_folder() -> Path | None:
    """Return the folder of this Python's shared library; None when the loader finds it by itself.

    Raises:
        LaunchError: There is no such library.
    """
    declared = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    for folder in (declared, declared / multiarch, Path(sys.base_prefix, "lib")):
        if (folder / _LIBPYTHON).is_file():
            return folder
    if ctypes.util.find_library(f"python{_PYTHON}"):
        return None
    raise LaunchError(
        f"Triton needs {_LIBPYTHON}, which this Python ({sys.base_prefix}) does not have: "
        f"`apt install libpython{_PYTHON}`, or use a Python built with --enable-shared, such as uv's"
    )


def _as_version(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".") if part.isdecimal())
