"""The program that decodes uploads, one after the other, for a server at the other end of a socket.

Its standard input is that socket. Each message asks for one upload, and brings two files that exist in memory
alone: one with the upload, one for its samples. The answer says what the upload is, or why it was refused.
"""

import array
import ctypes
import io
import json
import resource
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path
from typing import Any

from triologue.schema import AudioInfo, InternalError, InvalidAudio, TriologueError
from triologue_server.decoding.decoder import SAMPLE_RATE, decode

READY = b"ready"
"""What it says when it can be asked."""
LONGEST_MESSAGE = 65_536
"""Bytes of a question or an answer, at most."""

_CONNECTION = 0
_FILES = 5  # standard input, output and error, the upload and its samples
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_WRITTEN_AT_ONCE = 1 << 20


def main(memory: int, file_size: int) -> None:
    """Answer until nobody asks any more.

    Args:
        memory: How many bytes of addresses decoding may take, beyond those taken already.
        file_size: How large a file may become, in bytes.
    """
    _end_with_the_server()
    # Whatever is loaded late is loaded by that.
    decode(io.BytesIO(_moment()), 1.0, lambda _: None)
    _confine(memory, file_size)
    connection = socket.socket(fileno=_CONNECTION)
    connection.send(READY)
    while True:
        question, files, _, _ = socket.recv_fds(connection, LONGEST_MESSAGE, 2)
        if not question:
            return
        connection.send(json.dumps(_answer(json.loads(question), *files)).encode())


def _answer(question: dict[str, Any], upload: int, samples: int) -> dict[str, Any]:
    try:
        return {"info": _decoded(question["max_seconds"], upload, samples).model_dump()}
    except TriologueError as error:
        return {"error": error.to_wire()}
    except MemoryError:
        return {"error": InvalidAudio("the upload's audio takes too much memory to be decoded").to_wire()}
    except Exception as error:  # a defect of ours
        traceback.print_exc()
        return {"error": InternalError(f"{type(error).__name__}: {error}").to_wire()}


def _decoded(max_seconds: float, upload: int, samples: int) -> AudioInfo:
    with open(upload, "rb") as source, open(samples, "wb", _WRITTEN_AT_ONCE) as target:
        return decode(source, max_seconds, lambda piece: target.write(piece.data))


def _end_with_the_server() -> None:
    # Signals that are meant for the server come here too, and it may have recordings to end first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _confine(memory: int, file_size: int) -> None:
    """Give up what decoding does not need: a bound for FFmpeg, and no jail for code of an intruder's."""
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Where memory is short, this goes first, and not the models.
    Path("/proc/self/oom_score_adj").write_text("1000")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    for kind, limit in (
        (resource.RLIMIT_AS, pages * resource.getpagesize() + memory),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_CORE, 0),
        # The two files of a question have the last numbers there are: no other can be opened.
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        resource.setrlimit(kind, (limit, limit))


def _moment() -> bytes:
    """Return a tenth of a second of silence, as an AU file."""
    samples = array.array("h", bytes(2 * SAMPLE_RATE // 10))
    return struct.pack(">4s5I", b".snd", 24, 2 * len(samples), 3, SAMPLE_RATE, 1) + samples.tobytes()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
