"""What a short recording waits for while a long one is being worked on."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from statistics import median

from benchmarks.endtoend.recordings import Clip
from benchmarks.endtoend.throughput import Transcribe
from benchmarks.report import Row

_ALONE = 5  # times, of which the median counts
_HEAD_START_S = 5.0  # after which the long recording has as much under way as it may
_PAUSE_S = 2.0  # between two short ones, which would be load of their own


def beside(transcribe: Transcribe, short: Clip, long: Clip, most: int) -> tuple[list[float], list[float]]:
    """Return what the short recording takes alone, and while the long one is being worked on; in seconds.

    Args:
        transcribe: The service's; by two threads at once.
        short: Sent again and again.
        long: Sent once.
        most: How many short ones are sent beside the long one at most.
    """
    transcribe(short.audio)  # what is used first is loaded then
    alone = [_timed(transcribe, short) for _ in range(_ALONE)]
    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(transcribe, long.audio)
        time.sleep(_HEAD_START_S)
        return alone, _while_running(transcribe, short, whole, most)


def _while_running(transcribe: Transcribe, short: Clip, whole: "Future[int]", most: int) -> list[float]:
    took: list[float] = []
    while len(took) < most:
        seconds = _timed(transcribe, short)
        if whole.done():  # for a part of the time there was nothing to wait for
            break
        took.append(seconds)
        time.sleep(_PAUSE_S)
    whole.result()
    return took


def _timed(transcribe: Transcribe, clip: Clip) -> float:
    started = time.perf_counter()
    transcribe(clip.audio)
    return time.perf_counter() - started


def rows(short: Clip, long: Clip, alone: Sequence[float], meanwhile: Sequence[float]) -> list[Row]:
    """Return what each took; `ratio` is the median as a multiple of that alone."""
    work = f"a recording of {short.seconds:.0f} s"
    companies = {"service, idle": alone, f"service, beside one of {long.seconds / 60:.0f} min": meanwhile}
    return [
        {
            "work": work,
            "by": company,
            "audio_s": round(short.seconds),
            "RTFx": short.seconds / median(took),
            "ratio": median(took) / median(alone),
            "p50_s": median(took),
            "p95_s": sorted(took)[-(-len(took) * 95 // 100) - 1],
        }
        for company, took in companies.items()
    ]
