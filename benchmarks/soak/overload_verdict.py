"""What an overload has shown: a table, and whether it is as it should be."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.report import Goal, Row
from benchmarks.soak.overload import Found, Reply
from benchmarks.soak.verdict import at_most, percentile, replaced, taken_up, unfinished

NAME = "overload"

REFUSED_S = 1.0
"""Seconds within which 95 % of the refusals should come."""
WAIT = 1.5
"""How much longer 95 % of the answers may take than all places at the sustainable rate."""
MOST_GROWTH_PERCENT = 5.0
"""By how much the most memory of the second half may be above that of the first."""
RECOVERED_S = 10.0
"""Seconds after the last answer within which a call should be as fast as before."""


def rows(found: Found) -> list[Row]:
    """Return what became of the calls, how long it took, and what the server took up."""
    answered, refused, failed = _sorted(found.replies)
    lines = [
        _line("sustainable", "calls/s", found.sustainable),
        _line("a call alone before", "s", found.alone_s),
        _line("offered", "calls/s", len(found.replies) / found.load_s),
        _line("making the calls", "cores", found.generator),
        _line("offered", "calls", len(found.replies)),
        _timed("answered", answered),
        _timed("refused", refused),
        _line("refused without a hint when to come again", "calls", len(_without_hint(refused))),
    ]
    codes = Counter(reply.code.value for reply in [*refused, *failed] if reply.code)
    lines += [_line(code, "calls", number) for code, number in codes.most_common()]
    if hints := [reply.retry_after_s for reply in refused if reply.retry_after_s is not None]:
        lines.append({**_line("hint", "s", None), "p50": percentile(hints, 50), "most": max(hints)})
    lines += [
        _line("last call to last answer", "s", found.drained_s),
        _line("last answer to a call as before", "s", found.recovered_s),
        _line("last call to a call as before", "s", found.drained_s + found.recovered_s),
    ]
    return lines + taken_up(NAME, found.before, found.samples, found.after)


def goals(found: Found) -> list[Goal]:
    """Return what should have been found."""
    answered, refused, failed = _sorted(found.replies)
    bound = WAIT * found.places / found.sustainable if found.sustainable else 0.0
    return [
        at_most(f"{NAME}: calls neither answered nor refused", len(failed), 0),
        at_most(f"{NAME}: refusals without a hint when to come again", len(_without_hint(refused)), 0),
        at_most(f"{NAME}: refusals, p95 s", percentile(_seconds(refused), 95), REFUSED_S),
        at_most(f"{NAME}: answers, p95 s", percentile(_seconds(answered), 95), bound),
        at_most(f"{NAME}: memory, second half above first in %", _growth(found), MOST_GROWTH_PERCENT),
        at_most(f"{NAME}: last answer to a call as before, s", found.recovered_s, RECOVERED_S),
        unfinished(NAME, found.after),
        replaced(NAME, found.before, found.after),
    ]


def _sorted(replies: Sequence[Reply]) -> tuple[list[Reply], list[Reply], list[Reply]]:
    """Tell apart who was answered, who was refused, and to whom something else happened."""
    answered = [reply for reply in replies if reply.was_answered]
    refused = [reply for reply in replies if reply.was_refused]
    return answered, refused, [reply for reply in replies if not (reply.was_answered or reply.was_refused)]


def _without_hint(refused: Sequence[Reply]) -> list[Reply]:
    return [reply for reply in refused if reply.retry_after_s is None]


def _growth(found: Found) -> float:
    memory = [sample.memory_mb for sample in found.samples]
    half = len(memory) // 2
    return 100 * (max(memory[half:]) / max(memory[:half]) - 1) if half else 0.0


def _seconds(replies: Sequence[Reply]) -> list[float]:
    return [reply.seconds for reply in replies]


def _timed(what: str, replies: Sequence[Reply]) -> Row:
    seconds = _seconds(replies)
    return {
        **_line(what, "calls; s", len(replies)),
        "p50": percentile(seconds, 50),
        "p95": percentile(seconds, 95),
        "most": max(seconds, default=0.0),
    }


def _line(what: str, unit: str, number: float | None) -> Row:
    return {"part": NAME, "what": what, "unit": unit, "number": number}
