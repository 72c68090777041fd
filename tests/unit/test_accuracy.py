"""What is read as turns, how they are scored, and what is made of the scores, by hand-worked cases."""

from pathlib import Path

import numpy as np
import pytest
from pyannote.core import Annotation, Segment
from rich.console import Console

from benchmarks.accuracy import (
    PEER,
    SERVICE,
    Case,
    Judged,
    NumSpeakers,
    Outcome,
    cases,
    goal,
    groups,
    judge_all,
    rows,
)
from benchmarks.recordings import Recording, recordings
from benchmarks.speech import wav
from benchmarks.turns import Diarized, annotation, read_rttm, score
from triologue import SpeakerDiarizationSegment, TimeInterval
from triologue.schema import ServerOverloaded

Turn = tuple[str, float, float]


def turns(*found: Turn) -> Annotation:
    """Each by its speaker, start and end."""
    made = Annotation()
    for number, (speaker, start, end) in enumerate(found):
        made[Segment(start, end), number] = speaker
    return made


ALONE = turns(("A", 0, 10))
# Right from 0 to 6; 3 s are given to another, 1 s is missed, and 2 s are made up.
WRONG = turns(("x", 0, 6), ("y", 6, 9), ("x", 12, 14))

RTTM = """;; a comment
SPKR-INFO meeting 1 <NA> <NA> <NA> unknown ann <NA> <NA>
SPEAKER meeting 1 1.500 2.250 <NA> <NA> ann <NA> <NA>

SPEAKER meeting 1 3.000 1.000 <NA> <NA> bob <NA> <NA>
SPEAKER meeting 1 3.000 1.000 <NA> <NA> cleo <NA>
"""


class TestRttm:
    def test_holds_turns(self, tmp_path: Path) -> None:
        path = tmp_path / "a.rttm"
        path.write_text(RTTM)
        found = [(label, turn.start, turn.end) for turn, _, label in read_rttm(path).itertracks(True)]
        assert found == [("ann", 1.5, 3.75), ("bob", 3.0, 4.0), ("cleo", 3.0, 4.0)]

    def test_may_hold_none(self, tmp_path: Path) -> None:
        path = tmp_path / "a.rttm"
        path.write_text("")
        assert not read_rttm(path)

    @pytest.mark.parametrize("line", ["SPEAKER a 1 0.0 1.0", "SPEAKER a 1 begin 1.0 <NA> <NA> ann <NA> <NA>"])
    def test_a_line_without_a_turn_is_told(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "a.rttm"
        path.write_text(f"{RTTM}{line}\n")
        with pytest.raises(ValueError, match=r"a\.rttm, line 7 holds no turn: SPEAKER a"):
            read_rttm(path)

    def test_of_several_recordings_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.rttm"
        path.write_text(RTTM + RTTM.replace("meeting", "another"))
        with pytest.raises(ValueError, match="of several recordings: another, meeting"):
            read_rttm(path)


class TestScore:
    def test_parts_are_of_the_reference_speech(self) -> None:
        found = score([Diarized(ALONE, WRONG, 20.0)])
        assert (found.missed, found.false_alarm, found.confusion) == pytest.approx((10.0, 20.0, 30.0))
        assert found.der == pytest.approx(60.0)
        # A is x: of the 12 s of either, 4 s are A alone, and 2 s x alone.
        assert found.jer == pytest.approx(50.0)
        assert (found.speakers, found.in_reference) == (2, 1)

    def test_overlap_counts_for_each_speaker(self) -> None:
        """Of 10 s and 4 s of speech, the 4 s under somebody else's are missed."""
        found = score([Diarized(turns(("A", 0, 10), ("B", 6, 10)), turns(("x", 0, 10)), 10.0)])
        assert (found.der, found.missed) == pytest.approx((100 * 4 / 14, 100 * 4 / 14))
        assert found.jer == pytest.approx(50.0)

    def test_there_is_no_collar(self) -> None:
        found = score([Diarized(ALONE, turns(("x", 0.1, 10)), 10.0)])
        assert (found.der, found.missed) == pytest.approx((1.0, 1.0))

    def test_labels_do_not_matter(self) -> None:
        reference = turns(("A", 0, 4), ("B", 3, 9), ("A", 9, 10))
        swapped = reference.rename_labels({"A": "B", "B": "A"})
        found = score([Diarized(reference, swapped, 10.0)])
        assert (found.der, found.jer) == (0.0, 0.0)

    def test_nothing_behind_the_recording_counts(self) -> None:
        found = score(
            [Diarized(turns(("A", 0, 10), ("B", 12, 14)), turns(("x", 0, 13), ("y", 11, 12)), 10.0)]
        )
        assert (found.der, found.speakers, found.in_reference) == (0.0, 1, 1)

    def test_totals_weigh_by_speech_and_by_speakers(self) -> None:
        many = turns(("A", 0, 10), ("B", 10, 20), ("C", 20, 30))
        found = score([Diarized(ALONE, WRONG, 20.0), Diarized(many, many, 60.0)])
        assert found.der == pytest.approx(100 * 6 / 40)
        assert (found.missed, found.false_alarm, found.confusion) == pytest.approx((2.5, 5.0, 7.5))
        assert found.jer == pytest.approx(50.0 / 4)
        assert (found.speakers, found.in_reference) == (5, 4)

    @pytest.mark.parametrize(("hypothesis", "rate"), [(turns(), 0.0), (turns(("x", 1, 2)), 100.0)])
    def test_where_nobody_speaks_any_speech_is_all_wrong(self, hypothesis: Annotation, rate: float) -> None:
        found = score([Diarized(turns(), hypothesis, 10.0)])
        assert found.der == found.false_alarm == rate

    def test_turns_of_the_service_are_scored_as_they_are(self) -> None:
        answer = [
            SpeakerDiarizationSegment(time_interval=TimeInterval(start=start, end=end), speaker=speaker)
            for speaker, start, end in [("SPEAKER_00", 0.0, 6.0), ("SPEAKER_01", 6.0, 9.0)]
        ]
        assert annotation(answer) == turns(("SPEAKER_00", 0.0, 6.0), ("SPEAKER_01", 6.0, 9.0))


class TestCases:
    def test_are_the_recordings_whose_turns_are_known(self, tmp_path: Path) -> None:
        folder = tmp_path / "calls"
        folder.mkdir()
        for name in ("known", "copy", "unknown"):
            (folder / f"{name}.wav").write_text("the same" if name != "unknown" else name)
        (folder / "known.rttm").write_text(RTTM)
        (folder / "manifest.jsonl").write_text(
            '{"audio": "known.wav", "rttm": "known.rttm", "speakers": 4, "tuning": true}\n'
            '{"audio": "copy.wav", "rttm": "known.rttm"}\n'
            '{"audio": "unknown.wav", "speakers": 2}\n'
        )
        (case,) = cases(recordings(tmp_path))
        assert case.recording == Recording(
            "calls/known.wav", folder / "known.wav", rttm=folder / "known.rttm", speakers=4, tuning=True
        )
        assert case.reference.labels() == ["ann", "bob", "cleo"]

    def test_whose_turns_are_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").touch()
        with pytest.raises(FileNotFoundError):
            cases([Recording("a", tmp_path / "a.wav", rttm=tmp_path / "a.rttm")])

    @pytest.mark.parametrize(
        ("name", "tuning", "tuned_on"),
        [
            ("dev00.wav", None, True),
            ("dev00.wav", False, False),
            ("meeting.wav", None, False),
            ("meeting.wav", True, True),
        ],
    )
    def test_that_were_tuned_on(self, name: str, tuning: bool | None, tuned_on: bool) -> None:
        assert Case(Recording(name, Path(name), tuning=tuning), ALONE).tuned_on is tuned_on

    def test_number_of_speakers_that_is_told(self) -> None:
        path = Path("a.wav")
        known = Case(Recording("a", path, speakers=3), ALONE)
        assert known.options(NumSpeakers.NONE) == {}
        assert known.options(NumSpeakers.REFERENCE) == {"num_speakers": 3}
        assert Case(Recording("a", path), ALONE).options(NumSpeakers.REFERENCE) == {"num_speakers": 1}


def judged(name: str, service: Annotation, peer: Annotation) -> Judged:
    """10 s of speech in a recording of 20 s, for which the service takes 2 s, and its peer 5 s."""
    answers = {SERVICE: (service, 2.0), PEER: (peer, 5.0)}
    outcomes = {by: Outcome(Diarized(ALONE, found, 20.0), took) for by, (found, took) in answers.items()}
    return Judged(Case(Recording(name, Path(f"{name}.wav")), ALONE), outcomes)


SLIGHTLY_WRONG = turns(("x", 0, 9.96))


class TestTable:
    def test_has_a_line_for_each_contender(self) -> None:
        alone, _ = groups([judged("meeting", WRONG, ALONE)])
        service, peer = rows(alone, [SERVICE, PEER])
        assert service == pytest.approx(
            {
                "recording": "meeting",
                "tuned_on": "no",
                "by": SERVICE,
                "DER_%": 60.0,
                "missed_%": 10.0,
                "false_alarm_%": 20.0,
                "confusion_%": 30.0,
                "JER_%": 50.0,
                "speakers": 2,
                "of": 1,
                "RTFx": 10.0,
            }
        )
        assert (peer["by"], peer["DER_%"], peer["RTFx"]) == (PEER, 0.0, 4.0)

    def test_ends_with_totals(self) -> None:
        every = [judged("dev00", WRONG, WRONG), judged("meeting", ALONE, WRONG)]
        *_, total, held_out = groups(every)
        (row,) = rows(total, [SERVICE])
        assert (row["recording"], row["tuned_on"], row["RTFx"]) == ("all", "1 of 2", 10.0)
        assert row["DER_%"] == pytest.approx(30.0)
        (row,) = rows(held_out, [SERVICE])
        assert (row["recording"], row["tuned_on"], row["DER_%"]) == ("all not tuned on", "0 of 1", 0.0)

    def test_has_one_total_where_all_or_none_were_tuned_on(self) -> None:
        for names in (["dev00", "dev01"], ["meeting", "call"]):
            every = [judged(name, ALONE, ALONE) for name in names]
            assert [group.name for group in groups(every)] == [*names, "all"]

    def test_is_empty_where_every_recording_is_refused(self) -> None:
        assert groups([]) == []


class TestGoals:
    def test_allow_a_little_on_one_recording_and_nothing_on_all(self) -> None:
        every = [judged("meeting", SLIGHTLY_WRONG, ALONE), judged("call", WRONG, WRONG)]
        found = [goal(group) for group in groups(every)]
        assert [(one.value, one.goal, one.holds) for one in found] == [
            (0.4, 0.5, True),
            (0.0, 0.5, True),
            (0.2, 0.0, False),
        ]
        assert found[0].name == "DER of service - DER of pyannote pipeline, points: meeting"

    def test_are_held_by_who_is_better(self) -> None:
        assert all(goal(group).holds for group in groups([judged("meeting", ALONE, WRONG)]))

    def test_are_not_missed_by_rounding(self) -> None:
        """A tenth of a millisecond in ten seconds is 0.001 points."""
        assert all(goal(group).holds for group in groups([judged("meeting", turns(("x", 0, 9.9999)), ALONE)]))


class TestJudging:
    def test_leaves_out_for_all_what_one_refuses(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def case(name: str) -> Case:
            path = tmp_path / name
            path.write_bytes(wav(np.zeros(16_000, np.int16)))
            return Case(Recording(name, path), ALONE)

        refusals = iter([ServerOverloaded("try later"), None])

        def service(audio: bytes, options: object) -> Annotation:
            if refusal := next(refusals):
                raise refusal
            return ALONE

        contenders = {PEER: lambda audio, options: WRONG, SERVICE: service}
        (only,) = judge_all([case("a.wav"), case("b.wav")], contenders, NumSpeakers.NONE, Console())
        assert only.case.recording.name == "b.wav"
        assert only.outcomes[PEER].diarized == Diarized(ALONE, WRONG, 1.0)
        assert "a.wav is left out: " in capsys.readouterr().out
