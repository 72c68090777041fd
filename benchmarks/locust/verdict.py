"""What a load has shown: a table, and whether it is as it should be."""

from collections.abc import Iterator, Sequence

from benchmarks.locust.measurement import Line, Measurement, join
from benchmarks.locust.metrics import FIRST, OUTSIDE, RTFX, THROUGHPUT
from benchmarks.locust.mix import Kind
from benchmarks.locust.options import Workload
from benchmarks.locust.steps import saturation
from benchmarks.report import Goal, Row, Value

SPEED = 5.0
"""Seconds of audio a second that should be answered at least."""
FIRST_S = 30.0
"""Seconds within which 95 % of the streams should have their first segment."""
STEADY = 0.8
"""What should be left of the throughput of a soak's first quarter in its last."""

_DIARIZED = (Kind.DIARIZED, Kind.STREAM)  # which are the same work
_HALVES = (Kind.TRANSCRIPTION, Kind.DIARIZATION)
_LEAST_WINDOWS = 8  # of a soak that is divided in quarters


def rows(found: Measurement) -> list[Row]:
    """Return the lines of a table."""
    return [{"load": name_of(found), **line} for line in _lines(found)]


def goals(found: Measurement) -> list[Goal]:
    """Return what should have been found."""
    name, tally = name_of(found), found.tally
    wanted = [
        Goal(name=f"{name}: failed requests", value=tally.failed, bound="at most", goal=0),
        Goal(name=f"{name}: requests without an answer", value=tally.left, bound="at most", goal=0),
        Goal(name=f"{name}: arrivals not sent", value=tally.not_sent, bound="at most", goal=0),
        Goal(name=f"{name}: {THROUGHPUT}", value=tally.throughput, bound="at least", goal=SPEED),
    ]
    first = found.together(FIRST).percentile(0.95)
    if first is not None:
        wanted.append(
            Goal(name=f"{name}: first segment, p95 s", value=first / 1000, bound="at most", goal=FIRST_S)
        )
    if (left := steadiness(found)) is not None:
        wanted.append(
            Goal(
                name=f"{name}: {THROUGHPUT}, last quarter / first", value=left, bound="at least", goal=STEADY
            )
        )
    return wanted


def name_of(found: Measurement) -> str:
    """Return what a load is called: by what, how, by how many."""
    return f"{' and '.join(found.protocols)}, {found.options.workload.value}, {found.users} users"


def steadiness(found: Measurement) -> float | None:
    """Return the throughput of the last quarter of a soak by that of the first, if it was long enough."""
    windows = found.windows
    quarter = len(windows) // 4
    if found.options.workload is not Workload.SOAK or len(windows) < _LEAST_WINDOWS:
        return None

    def throughput(number: int) -> float:
        chosen = windows[number : number + quarter]
        return sum(window.audio_seconds for window in chosen) / sum(window.seconds for window in chosen)

    first = throughput(0)
    return throughput(len(windows) - quarter) / first if first else None


def _lines(found: Measurement) -> Iterator[Row]:
    tally = found.tally
    yield _line("requests", "sent", tally.sent)
    yield _line("requests", "answered", tally.answered)
    for code, number in sorted(tally.errors.items()):
        yield _line("requests", code, number)
    yield _line("throughput", THROUGHPUT, tally.answered, mean=tally.throughput)
    yield _of("speed of a request", RTFX, found.together(RTFX), percentiles=False)
    for label, line in found.by_length(found.protocols, _DIARIZED).items():
        yield _of(f"answer, {label}", "s", line, 1000)
    for kind in _HALVES:
        if lines := found.of(found.protocols, [kind]):
            yield _of(f"{kind.value} alone", "s", join(lines, "", kind.value), 1000)
    for label, line in found.by_length([FIRST]).items():
        yield _of(f"first segment, {label}", "s", line, 1000)
    yield _of("outside of processing", "s", found.together(OUTSIDE), 1000)
    for model, use in found.models.items():
        yield _line(model, "in a batch", use.inferences, mean=use.mean_batch)
        yield _line(model, "ms in its queue", use.inferences, mean=use.mean_queue_ms)
    for step in found.steps:
        yield _line(f"{step.users} users", THROUGHPUT, None, mean=step.throughput)
    if (point := saturation(found.steps)) is not None:
        yield _line("saturated", "users", point.users)


def _of(what: str, unit: str, line: Line, by: float = 1, *, percentiles: bool = True) -> Row:
    def scaled(value: float | None) -> float | None:
        return None if value is None else value / by

    return _line(
        what,
        unit,
        line.count,
        mean=scaled(line.mean),
        p50=scaled(line.percentile(0.5)) if percentiles else None,
        p95=scaled(line.percentile(0.95)) if percentiles else None,
        most=scaled(line.highest),
    )


def _line(
    what: str,
    unit: str,
    number: int | None,
    *,
    mean: Value = None,
    p50: Value = None,
    p95: Value = None,
    most: Value = None,
) -> Row:
    return {"what": what, "unit": unit, "number": number, "mean": mean, "p50": p50, "p95": p95, "most": most}


def options_of(measurements: Sequence[Measurement]) -> dict[str, Value]:
    """Return how loads were measured, as options of a report."""
    options = measurements[0].options
    found: dict[str, Value] = {
        "pipelines": options.pipelines,
        "lengths": options.lengths,
        "formats": options.formats,
        "retries": options.retries,
        "workers": measurements[0].workers,
    }
    if options.workload is Workload.OPEN:
        found["rate"] = options.rate
    return found
