"""Processes that decode uploads for the coroutines of the server."""

import asyncio
import fcntl
import mmap
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from triologue.schema import (
    AudioInfo,
    InternalError,
    InvalidAudio,
    PayloadTooLarge,
    ServerUnavailable,
    TriologueError,
)
from triologue_server.audio import SAMPLE_RATE, Recording
from triologue_server.decoding.budget import Budget, Share
from triologue_server.decoding.child import Child
from triologue_server.settings import Limits

if TYPE_CHECKING:
    from typing_extensions import Self

_SAMPLE_BYTES = np.dtype(np.int16).itemsize
_COPIED_AT_ONCE = 8 << 20  # bytes, a few milliseconds
_MOST_BYTES = 1 << 62
# What decoding itself takes. Besides there is the index of a file, which is a small part of it.
_MEMORY = 512 << 20


class Decoder:
    """Decodes uploads in processes of its own, some at once; for the coroutines of one event loop.

    A file that crashes its process, never comes to an end or takes all memory does no harm to anything else.
    The processes are started when they are needed, by the thread of the event loop, and end with it.

    Args:
        limits: How many processes there may be, and what an upload may take.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._budget = Budget(max(limits.audio_hours_in_flight, limits.audio_hours))
        self._places = asyncio.Semaphore(limits.decoders)
        self._children: set[Child] = set()
        self._idle: list[Child] = []
        self._is_closed = False

    @property
    def processes(self) -> set[int]:
        """Numbers of the processes that there are."""
        return {child.pid for child in self._children}

    @property
    def hours_held(self) -> float:
        """Hours of decoded audio that somebody still uses, or that are being decoded."""
        return self._budget.hours_held

    async def decode(self, upload: bytes, max_seconds: float) -> Recording:
        """Decode the first audio stream of an encoded file.

        The samples cannot be written to. They count as held until nothing refers to them, or to any part.

        Args:
            upload: The bytes of the file; they are no longer needed once its turn has come.
            max_seconds: Longest recording that is accepted, in seconds.

        Raises:
            InvalidAudio: The upload is empty, no media file, without audio, or ends before its audio does.
            PayloadTooLarge: It holds more than `max_seconds` of audio, or takes too long to decode.
            ServerOverloaded: The recordings that are being worked on hold as much audio as they may.
            ServerUnavailable: The decoder is closed.
        """
        if not upload:
            raise InvalidAudio("the upload is empty")
        async with self._places:
            with _file_in_memory("upload") as source, _file_in_memory("samples") as target:
                await _write(source, upload)
                del upload
                share = self._budget.share()
                try:
                    info = await self._decoded(source, target, max_seconds, share)
                    return Recording(_samples(target, share), info)
                except BaseException:
                    share.give_back()
                    raise

    async def _decoded(self, source: int, target: int, max_seconds: float, share: Share) -> AudioInfo:
        """Have a child decode one file into the other."""
        until = time.monotonic() + self._limits.decode_seconds

        def look() -> None:
            self._check_open()
            share.grow_to(os.fstat(target).st_size / _SAMPLE_BYTES / SAMPLE_RATE)
            if time.monotonic() > until:
                raise PayloadTooLarge(
                    f"the upload takes longer to decode than the {self._limits.decode_seconds:g} s "
                    "that this server gives it"
                )

        with self._child() as child:
            answer = await child.ask(source, target, max_seconds, look)
            if "error" not in answer:
                return AudioInfo.model_validate(answer.get("info"))
        raise TriologueError.from_wire(answer["error"]) or InternalError(answer["error"])

    @contextmanager
    def _child(self) -> Iterator[Child]:
        """Lend a child; it is ended if anything goes wrong meanwhile."""
        self._check_open()
        while self._idle and not self._idle[-1].is_alive:
            self._discard(self._idle.pop())
        child = self._idle.pop() if self._idle else self._started()
        try:
            yield child
        except BaseException:
            self._discard(child)
            raise
        self._idle.append(child)

    def _started(self) -> Child:
        limits = self._limits
        hours = min(limits.audio_hours, _MOST_BYTES / SAMPLE_RATE / _SAMPLE_BYTES / 3600)
        child = Child(
            _MEMORY + limits.upload_bytes // 2, round((hours * 3600 + 60) * SAMPLE_RATE * _SAMPLE_BYTES)
        )
        self._children.add(child)
        return child

    def _discard(self, child: Child) -> None:
        self._children.discard(child)
        child.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ServerUnavailable("the server is stopping")

    def close(self) -> None:
        """End every process; what is being decoded is refused."""
        self._is_closed = True
        while self._idle:
            self._discard(self._idle.pop())
        for child in list(self._children):
            child.kill()

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _file_in_memory(name: str) -> Iterator[int]:
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _write(descriptor: int, content: bytes) -> None:
    """Write a file without keeping the event loop from others."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left[:_COPIED_AT_ONCE]) :]
        await asyncio.sleep(0)


def _samples(descriptor: int, share: Share) -> NDArray[np.int16]:
    """Return the samples in a file, which are not copied, and give back their share when they are gone."""
    # Had the child shortened the file, reading from it would end this process.
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    mapping = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
    weakref.finalize(mapping, share.give_back)
    return np.frombuffer(mapping, np.int16)
