"""Decoding in processes of its own: what goes wrong in one of them harms nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.uploads import encoded, plain_wav, tone, with_pause

from triologue.schema import (
    InternalError,
    InvalidAudio,
    PayloadTooLarge,
    ServerOverloaded,
    ServerUnavailable,
)
from triologue_server.audio import Recording, decode_audio
from triologue_server.decoding import child, pool, worker
from triologue_server.decoding.budget import Budget
from triologue_server.decoding.pool import Decoder
from triologue_server.settings import Limits, Settings

WAV = plain_wav(tone(16_000), 16_000)


def limits(**changes: Any) -> Limits:
    return Settings(profile="embedded").limits.model_copy(update=changes)


def with_decoder(use: Callable[[Decoder], Coroutine[Any, Any, None]], allowed: Limits | None = None) -> None:
    async def run() -> None:
        with Decoder(allowed or limits()) as decoder:
            await use(decoder)
        assert not any(map(is_running, decoder.processes))

    asyncio.run(run())


def is_running(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def wait_for_the_end_of(process: int) -> None:
    until = time.monotonic() + 30
    while is_running(process):
        assert time.monotonic() < until
        time.sleep(0.01)


async def stuck(decoder: Decoder) -> tuple["asyncio.Task[Recording]", int]:
    """Return a decoding that comes to no end, and the process that does it."""
    await decoder.decode(WAV, 60.0)
    (process,) = decoder.processes
    os.kill(process, signal.SIGSTOP)
    task = asyncio.create_task(decoder.decode(WAV, 60.0))
    await asyncio.sleep(0.2)
    assert not task.done()
    return task, process


async def works_again(decoder: Decoder, process: int) -> None:
    """Assert that a process is gone, that another one has taken its place, and that nothing is held."""
    assert not is_running(process)
    assert decoder.hours_held == 0.0
    assert np.array_equal((await decoder.decode(WAV, 60.0)).samples, tone(16_000))
    assert len(decoder.processes - {process}) == 1


class TestDecoding:
    @pytest.mark.parametrize(
        ("container", "codec"), [("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "libopus"), ("mp4", "aac")]
    )
    def test_it_is_what_is_decoded_here(self, container: str, codec: str) -> None:
        upload = encoded(container, codec, 48_000, "stereo", video=container == "mp4")

        async def use(decoder: Decoder) -> None:
            recording, own = await decoder.decode(upload, 60.0), decode_audio(upload, 60.0)
            assert recording.info == own.info
            assert recording.samples.dtype == np.int16
            assert np.array_equal(recording.samples, own.samples)
            assert not recording.samples.flags.writeable

        with_decoder(use)

    def test_refusals_are_those_of_the_decoder(self) -> None:
        async def use(decoder: Decoder) -> None:
            with pytest.raises(InvalidAudio, match=r"^the upload is empty$"):
                await decoder.decode(b"", 60.0)
            with pytest.raises(InvalidAudio, match=r"^the upload is not a media file"):
                await decoder.decode(b"Who said what, and when?\n" * 100, 60.0)
            with pytest.raises(PayloadTooLarge, match=r"^the recording is longer than the 1\.5 s"):
                await decoder.decode(WAV, 1.5)
            (process,) = decoder.processes
            assert (await decoder.decode(WAV, 60.0)).seconds == 2.0
            assert decoder.processes == {process}

        with_decoder(use)

    def test_so_many_at_once_in_processes_that_are_kept(self) -> None:
        async def use(decoder: Decoder) -> None:
            assert decoder.processes == set()
            for _ in range(2):
                recordings = await asyncio.gather(*(decoder.decode(WAV, 60.0) for _ in range(20)))
                assert all(np.array_equal(found.samples, tone(16_000)) for found in recordings)
                assert len(decoder.processes) == 3
            assert decoder.hours_held == pytest.approx(20 * 2 / 3600)

        with_decoder(use, limits(decoders=3))

    def test_an_upload_of_many_megabytes(self) -> None:
        samples = np.random.default_rng(0).integers(-32768, 32768, 30_000_000).astype(np.int16)

        async def use(decoder: Decoder) -> None:
            recording = await decoder.decode(plain_wav(samples, 16_000), 3_600.0)
            assert np.array_equal(recording.samples, samples)

        with_decoder(use)


class TestWhatGoesWrong:
    @pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
    def test_a_crash(self, number: signal.Signals) -> None:
        async def use(decoder: Decoder) -> None:
            task, process = await stuck(decoder)
            os.kill(process, number)
            os.kill(process, signal.SIGCONT)
            with pytest.raises(
                InvalidAudio, match=rf"cannot be decoded \(the decoder ended: {number.name}\)"
            ):
                await task
            await works_again(decoder, process)

        with_decoder(use)

    def test_a_decoding_without_an_end(self) -> None:
        async def use(decoder: Decoder) -> None:
            task, process = await stuck(decoder)
            with pytest.raises(PayloadTooLarge, match=r"takes longer to decode than the 3 s"):
                await task
            await works_again(decoder, process)

        with_decoder(use, limits(decode_seconds=3.0))

    def test_a_caller_who_leaves(self) -> None:
        async def use(decoder: Decoder) -> None:
            task, process = await stuck(decoder)
            waiting = asyncio.create_task(decoder.decode(WAV, 60.0))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not is_running(process)
            assert (await waiting).seconds == 2.0
            # The event loop has the task in hand until something else runs.
            del waiting
            await asyncio.sleep(0)
            await works_again(decoder, process)

        async def leave_before_the_turn(decoder: Decoder) -> None:
            task, process = await stuck(decoder)
            waiting = asyncio.create_task(decoder.decode(WAV, 60.0))
            await asyncio.sleep(0.1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            os.kill(process, signal.SIGCONT)
            assert (await task).seconds == 2.0

        with_decoder(use, limits(decoders=1))
        with_decoder(leave_before_the_turn, limits(decoders=1))

    def test_a_process_that_ends_while_it_has_nothing_to_do(self) -> None:
        async def use(decoder: Decoder) -> None:
            await decoder.decode(WAV, 60.0)
            (process,) = decoder.processes
            os.kill(process, signal.SIGKILL)
            await asyncio.to_thread(wait_for_the_end_of, process)
            await works_again(decoder, process)

        with_decoder(use)

    def test_too_little_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pool, "_MEMORY", 0)
        # They are a single packet.
        upload = encoded("matroska", "pcm_s16le", 48_000, "7.1", seconds=20.0)

        async def use(decoder: Decoder) -> None:
            with pytest.raises(InvalidAudio):
                await decoder.decode(upload, 60.0)
            assert (await decoder.decode(WAV, 60.0)).seconds == 2.0

        with_decoder(use, limits(upload_mb=8))

    def test_a_process_that_does_not_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(child, "_python", lambda: "/bin/false")

        async def use(decoder: Decoder) -> None:
            with pytest.raises(InternalError, match=r"^a decoder did not start \(status 1\)$"):
                await decoder.decode(WAV, 60.0)

        with_decoder(use)

    def test_the_end_of_the_server(self) -> None:
        async def use(decoder: Decoder) -> None:
            task, process = await stuck(decoder)
            await asyncio.to_thread(decoder.close)
            assert not is_running(process)
            with pytest.raises(ServerUnavailable, match="stopping"):
                await task
            with pytest.raises(ServerUnavailable, match="stopping"):
                await decoder.decode(WAV, 60.0)
            assert decoder.processes == set()

        with_decoder(use)


class TestProcess:
    """What a process is given, and what is kept from it."""

    def test_confinement(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "secret")

        async def use(decoder: Decoder) -> None:
            await decoder.decode(WAV, 60.0)
            (process,) = (Path(f"/proc/{number}") for number in decoder.processes)
            assert b"HF_TOKEN" not in (process / "environ").read_bytes()
            assert (process / "oom_score_adj").read_text() == "1000\n"
            assert "NoNewPrivs:\t1" in (process / "status").read_text()
            assert (process / "cwd").readlink() == Path("/")
            # No other file than the two of an upload can be opened.
            assert {file.name for file in (process / "fd").iterdir()} == {"0", "1", "2"}
            bounds = {
                line[:26].strip(): line[26:].split()[1]
                for line in (process / "limits").read_text().splitlines()
            }
            assert bounds["Max open files"] == "5"
            assert bounds["Max core file size"] == "0"
            assert int(bounds["Max file size"]) == (8 * 3600 + 60) * 32_000
            assert int(bounds["Max address space"]) < 2 << 30

        with_decoder(use)

    def test_it_loads_little(self) -> None:
        program = f"import {worker.__name__}, sys; print(*sys.modules, sep='\\n')"
        loaded = subprocess.run(
            [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
        ).stdout.split()
        assert worker.__name__ in loaded
        assert not {"torch", "scipy", "httpx", "pydantic_settings", "triologue_server.settings"}.intersection(
            loaded
        )

    @pytest.mark.parametrize("state", ["idle", "busy"])
    def test_it_ends_with_its_server(self, state: str) -> None:
        program = f"""
import asyncio, os, signal
from tests.unit.test_decoding import WAV, Decoder, limits, stuck
async def run():
    decoder = Decoder(limits())
    await stuck(decoder) if {state == "busy"} else await decoder.decode(WAV, 60.0)
    print(*decoder.processes, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(run())
"""
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        wait_for_the_end_of(int(ended.stdout))

    def test_signals_that_are_meant_for_the_server(self) -> None:
        async def use(decoder: Decoder) -> None:
            await decoder.decode(WAV, 60.0)
            (process,) = decoder.processes
            os.kill(process, signal.SIGINT)
            os.kill(process, signal.SIGTERM)
            assert (await decoder.decode(WAV, 60.0)).seconds == 2.0
            assert decoder.processes == {process}

        with_decoder(use)

    def test_it_cannot_shorten_what_has_been_handed_over(self) -> None:
        """Reading past the end of a mapped file would end the server."""
        with pool._file_in_memory("samples") as file:
            os.write(file, bytes(64_000))
            samples = pool._samples(file, Budget(1.0).share())
            with pytest.raises(PermissionError):
                os.ftruncate(file, 0)
            assert samples.shape == (32_000,)


class TestBudget:
    def test_it_is_held_until_the_last_part_is_gone(self) -> None:
        async def use(decoder: Decoder) -> None:
            recording = await decoder.decode(WAV, 60.0)
            assert decoder.hours_held == 2 / 3600
            window = recording.samples[16_000:]
            del recording
            assert decoder.hours_held == 2 / 3600
            # Whoever lets it go may be another thread.
            holder = [window]
            del window
            thread = threading.Thread(target=holder.clear)
            thread.start()
            thread.join()
            assert decoder.hours_held == 0.0

        with_decoder(use)

    def test_a_recording_too_many(self) -> None:
        async def use(decoder: Decoder) -> None:
            held = [await decoder.decode(WAV, 60.0) for _ in range(2)]
            with pytest.raises(ServerOverloaded, match=r"hold the 0\.0015 hours of audio that they may"):
                await decoder.decode(WAV, 60.0)
            assert decoder.hours_held == 2 * 2 / 3600
            held.pop()
            assert (await decoder.decode(WAV, 60.0)).seconds == 2.0

        with_decoder(use, limits(audio_hours=2 / 3600, audio_hours_in_flight=0.0015))

    def test_one_of_the_longest_is_always_taken(self) -> None:
        async def use(decoder: Decoder) -> None:
            assert (await decoder.decode(WAV, 60.0)).seconds == 2.0

        with_decoder(use, limits(audio_hours=2 / 3600, audio_hours_in_flight=1 / 3600))

    def test_it_is_looked_at_while_decoding(self) -> None:
        """What would become days of audio is stopped soon after the last hour that is left."""
        upload = with_pause(encoded("matroska", "libopus", video=True), "matroska", 1.0, 30 * 86_400.0)

        async def use(decoder: Decoder) -> None:
            with pytest.raises(ServerOverloaded):
                await decoder.decode(upload, 31 * 86_400.0)
            assert decoder.processes == set()
            assert decoder.hours_held == 0.0

        with_decoder(use, limits(audio_hours=1.0, audio_hours_in_flight=1.0))
