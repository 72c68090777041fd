"""As a container should run it: by a user who may do nothing, where nothing can be written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from triologue_server.settings import Settings
from triologue_server.triton.repository import CHECKOUT

BIN = Path(sys.prefix, "bin")
PROGRAMS = ("unshare", "setpriv", "mount", "findmnt")
LEFT_BY_LIBRARIES = ("python_env_", "matplotlib-", "torchinductor_")
"""How the names of folders begin that are made at the start, and stay when their processes are ended."""

# Only what is started here sees these mounts. What an image holds can be read by everybody: so can here what
# lies in a closed folder, such as the superuser's home, by an open layer above it.
MOUNT = """
set -eu
if [ -n "$CLOSED" ]; then
    mount -t tmpfs tmpfs /tmp
    mkdir /tmp/layer /tmp/work
    mount -t overlay overlay -o "lowerdir=$CLOSED,upperdir=/tmp/layer,workdir=/tmp/work" "$CLOSED"
    chmod o+x "$CLOSED"
    umount --lazy /tmp
fi
mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs /tmp
mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs /dev/shm
findmnt --list --noheadings --output TARGET | while read -r at; do
    case "$at" in
        /tmp | /tmp/* | /dev | /dev/* | /proc | /proc/* | /sys | /sys/*) ;;
        *) mount -o remount,bind,ro "$at" ;;
    esac
done
if touch "$BIN/../outside" /var/tmp/outside 2> /dev/null; then exit 99; fi
"""
SERVE = """
"$BIN/triologue-server" serve "$@"
status=$?
echo "left behind: $(find /tmp /dev/shm -mindepth 1 -maxdepth 1 -printf '%f ')" >&2
exit $status
"""
# By a number that has no name, as containers are run.
AS_NOBODY = "exec setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --bounding-set=-all -- "


def closed() -> list[Path]:
    """Return the folders that nobody may look into, though the server lies below them."""
    needed = (BIN, Path(sys.base_prefix), CHECKOUT, Settings().models)
    folders = {folder for path in needed for folder in path.parents}
    return sorted(folder for folder in folders if not folder.stat().st_mode & 0o001)


def environment() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "BIN": str(BIN),
        "CLOSED": "".join(map(str, closed())),
        "HOME": "/nonexistent",
        "TRIOLOGUE_MODELS": str(Settings().models),
    }


def why_not() -> str:
    """Return why this machine cannot be made to look like such a container; nothing if it can."""
    if os.getuid() != 0:
        return "takes a superuser, who may mount"
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        return f"takes {', '.join(missing)}"
    if any(Path("/tmp") in path.parents for path in (BIN, CHECKOUT, Settings().models)):
        return "takes a place outside of /tmp"
    if len(closed()) > 1:
        return f"nobody may look into {', '.join(map(str, closed()))}"
    tried = subprocess.run(["unshare", "--mount", "sh", "-c", MOUNT], env=environment(), capture_output=True)
    return f"takes mounts, which are refused: {tried.stderr.decode()}" if tried.returncode else ""


@pytest.fixture
def _container_like() -> None:
    if reason := why_not():
        pytest.skip(reason)


@pytest.mark.usefixtures("_container_like")
def test_nobody_serves_where_nothing_can_be_written(sample: Path) -> None:
    public = ("diarized_asr", "transcription", "diarization")
    small = [f"--set=service.{name}.concurrency=1" for name in public]
    call = [BIN / "triologue", "transcribe", "--diarize", "-f", "json", sample]
    serve = ["sh", "-c", SERVE, "sh", *small, "--", *call]
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{MOUNT}{AS_NOBODY}"$@"', "sh", *serve],
        env=environment(),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert "New Jersey" in result["transcription"]["text"]
    assert {turn["speaker"] for turn in result["turns"]} == {"SPEAKER_00", "SPEAKER_01"}
    *_, last = run.stderr.splitlines()
    assert last.startswith("left behind: ")
    assert all(name.startswith(LEFT_BY_LIBRARIES) for name in last.split()[2:]), last
