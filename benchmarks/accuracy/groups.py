"""Recordings that are scored together, and the lines and goals that come of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.accuracy.contenders import SERVICE
from benchmarks.accuracy.judging import Judged, Outcome
from benchmarks.report import Goal, Row
from benchmarks.spoken import SpokenScore
from benchmarks.turns import Score, score

WORSE_ALONE = 0.5
"""Points of DER by which the service may be worse than its peer on one recording, and on no total."""
FEWER = 15.0
"""Percent of its peer's cpWER errors that the service should not make, in total."""


@dataclass(frozen=True)
class Group:
    """Recordings that are scored together: one alone, or those of a total."""

    name: str
    tuned_on: str
    """Whether something may have been tuned on it, or on how many of them."""
    judged: Sequence[Judged]
    is_total: bool

    @classmethod
    def alone(cls, judged: Judged) -> "Group":
        """Return the group of one recording."""
        case = judged.case
        return cls(case.recording.name, "yes" if case.tuned_on else "no", [judged], is_total=False)

    @classmethod
    def total(cls, name: str, every: Sequence[Judged]) -> "Group":
        """Return a group of many."""
        tuned_on = sum(judged.case.tuned_on for judged in every)
        return cls(name, f"{tuned_on} of {len(every)}", every, is_total=True)

    def turns(self, by: str) -> Score | None:
        """Return how wrong the turns of a contender are, if those of a recording are known."""
        known = [one.diarized for one in self._outcomes(by) if one.diarized]
        return score(known) if known else None

    def words(self, by: str) -> SpokenScore | None:
        """Return how wrong the transcripts of a contender are, if the words of a recording are known."""
        known = [one.words for one in self._outcomes(by) if one.words]
        return sum(known[1:], known[0]) if known else None

    def speakers(self, by: str) -> tuple[int, int]:
        """Return how many speakers a contender finds, and how many there are."""
        counted = [one.counted for one in self._outcomes(by)]
        return sum(one.speakers for one in counted), sum(one.in_reference for one in counted)

    def rtfx(self, by: str) -> float:
        """Return how many seconds of audio a contender works on in a second."""
        outcomes = self._outcomes(by)
        return sum(one.seconds for one in outcomes) / sum(one.took for one in outcomes)

    def _outcomes(self, by: str) -> list[Outcome]:
        return [judged.outcomes[by] for judged in self.judged]


def groups(every: Sequence[Judged]) -> list[Group]:
    """Return each recording, and their totals."""
    if not every:
        return []
    held_out = [judged for judged in every if not judged.case.tuned_on]
    found = [*map(Group.alone, every), Group.total("all", every)]
    if 0 < len(held_out) < len(every):
        found.append(Group.total("all not tuned on", held_out))
    return found


def rows(group: Group, contenders: Iterable[str]) -> list[Row]:
    """Return a line of the table for each contender."""
    return [_row(group, by) for by in contenders]


def _row(group: Group, by: str) -> Row:
    words, turns = group.words(by), group.turns(by)
    speakers, of = group.speakers(by)
    return {
        "recording": group.name,
        "tuned_on": group.tuned_on,
        "by": by,
        "WER_%": words.words.percent if words else None,
        "cpWER_%": words.attributed.percent if words else None,
        "WDER_%": words.confused.percent if words else None,
        "DER_%": turns.der if turns else None,
        "missed_%": turns.missed if turns else None,
        "false_alarm_%": turns.false_alarm if turns else None,
        "confusion_%": turns.confusion if turns else None,
        "JER_%": turns.jer if turns else None,
        "speakers": speakers,
        "of": of,
        "RTFx": group.rtfx(by),
    }


def without_empty(lines: Sequence[Row]) -> list[Row]:
    """Leave out the columns that nothing is in."""
    filled = {name for line in lines for name, value in line.items() if value is not None}
    return [{name: value for name, value in line.items() if name in filled} for line in lines]


def goals(group: Group, peer: str) -> list[Goal]:
    """Return what the service should reach beside its peer."""
    found = []
    ours, theirs = group.turns(SERVICE), group.turns(peer)
    if ours and theirs:
        # The service's times are rounded to milliseconds, which is nothing to be worse by.
        worse = round(ours.der - theirs.der, 2) + 0.0
        found.append(
            Goal(
                name=f"DER of {SERVICE} - DER of {peer}, points: {group.name}",
                value=worse,
                bound="at most",
                goal=0.0 if group.is_total else WORSE_ALONE,
            )
        )
    wrong, its_wrong = group.words(SERVICE), group.words(peer)
    if group.is_total and wrong and its_wrong:
        errors = its_wrong.attributed.wrong
        found.append(
            Goal(
                name=f"cpWER errors of {SERVICE}, fewer than of {peer}, %: {group.name}",
                value=100 * (errors - wrong.attributed.wrong) / max(1, errors),
                bound="at least",
                goal=FEWER,
            )
        )
    return found
