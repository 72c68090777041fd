"""Damaged recordings before the decoder: each is decoded or refused, and nothing of it stays."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.fuzz import INPUTS
from tests.fuzz.recordings import CODECS, damaged
from triologue.schema import InvalidAudio, PayloadTooLarge
from triologue_server.audio import Recording
from triologue_server.decoding.pool import Decoder
from triologue_server.settings import Settings

LIMITS = Settings(profile="embedded").limits.model_copy(update={"decode_seconds": 60.0})
MEMORY_MB = 200.0


@pytest.mark.parametrize("kind", CODECS)
def test_whole_ones_are_decoded(files: dict[str, bytes], kind: str) -> None:
    async def run() -> None:
        with Decoder(LIMITS) as decoder:
            assert (await decoder.decode(files[kind], 60.0)).seconds == pytest.approx(1.5, abs=0.1)

    asyncio.run(run())


@pytest.mark.timeout(300 + INPUTS)
@pytest.mark.parametrize("kind", CODECS)
def test_damaged_ones_are_decoded_or_refused(files: dict[str, bytes], kind: str) -> None:
    async def run() -> None:
        with Decoder(LIMITS) as decoder:
            await asyncio.gather(*(decoder.decode(files[kind], 60.0) for _ in range(2 * LIMITS.decoders)))
            before = decoder.processes, open_files(), memory_mb(decoder)
            for start in range(0, INPUTS, 100):
                uploads = {n: damaged(files, kind, n) for n in range(start, min(start + 100, INPUTS))}
                assert await strange_outcomes(decoder, uploads) == {}
            await asyncio.sleep(0)  # the event loop has the last outcomes in hand until something else runs
            assert decoder.processes == before[0]
            assert open_files() <= before[1] + 2
            assert memory_mb(decoder) <= before[2] + MEMORY_MB
            assert decoder.hours_held == 0.0

    asyncio.run(run())


async def strange_outcomes(decoder: Decoder, uploads: dict[int, bytes]) -> dict[int, object]:
    """Return what became of the uploads, where that should not be."""
    outcomes = await asyncio.gather(
        *(decoder.decode(upload, 60.0) for upload in uploads.values()), return_exceptions=True
    )
    return {
        number: outcome
        for number, outcome in zip(uploads, outcomes, strict=True)
        if not is_decoded_or_refused(outcome)
    }


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def is_decoded_or_refused(outcome: object) -> bool:
    """Whether a decoding came to an end by itself, and the process that did it did not."""
    if isinstance(outcome, InvalidAudio | PayloadTooLarge):
        return "the decoder ended" not in outcome.message and "longer to decode" not in outcome.message
    return isinstance(outcome, Recording)


def memory_mb(decoder: Decoder) -> float:
    """Return the memory of the processes that decode."""
    pages = (Path(f"/proc/{process}/statm").read_text().split()[1] for process in decoder.processes)
    return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE") / 1e6
