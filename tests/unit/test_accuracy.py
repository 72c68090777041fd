"""What is read as turns, how they are scored, who is compared, and what comes of it, by hand-worked cases."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from faster_whisper.transcribe import Segment as WhisperSegment
from faster_whisper.transcribe import Word
from pyannote.core import Annotation, Segment
from rich.console import Console

from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.cases import Case, NumSpeakers, cases
from benchmarks.accuracy.contenders import PEER, PIPELINE, SERVICE, WHISPERX, contenders, names
from benchmarks.accuracy.found import Found
from benchmarks.accuracy.groups import goals, groups, rows, without_empty
from benchmarks.accuracy.judging import Judged, Outcome, judge_all
from benchmarks.accuracy.whisperx import spoken_of
from benchmarks.peers import asr_segments
from benchmarks.recordings import Recording, recordings
from benchmarks.speech import wav
from benchmarks.spoken import NOBODY, Spoken, SpokenScore
from benchmarks.turns import Diarized, annotation, read_rttm, score, turns_of
from benchmarks.words import Errors
from triologue import (
    AsrSegment,
    AsrWord,
    DiarizationResult,
    DiarizedAsrOptions,
    DiarizedTranscriptionResult,
    SpeakerDiarizationSegment,
    TimeInterval,
)
from triologue.schema import ServerOverloaded
from triologue_server.settings import Settings

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
        assert turns_of(annotation(answer)) == answer


STM = "known 1 ann 1.5 3.75 how are you\nknown 1 bob 3.0 4.0 fine\n"
MANIFEST = """{"audio": "known.wav", "rttm": "a.rttm", "stm": "a.stm", "speakers": 4, "tuning": true}
{"audio": "copy.wav", "rttm": "a.rttm"}
{"audio": "words.wav", "stm": "a.stm", "language": "en"}
{"audio": "text.wav", "text": "how are you"}
{"audio": "unknown.wav", "speakers": 2}
"""


class TestCases:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "calls"
        folder.mkdir()
        for name in ("known", "copy", "words", "text", "unknown"):
            (folder / f"{name}.wav").write_text("the same" if name == "copy" else name)
        (folder / "known.wav").write_text("the same")
        (folder / "a.rttm").write_text(RTTM)
        (folder / "a.stm").write_text(STM)
        (folder / "manifest.jsonl").write_text(MANIFEST)
        return folder

    def test_are_the_recordings_whose_turns_or_words_are_known(self, folder: Path) -> None:
        known, words = cases(recordings(folder), words=True)
        assert known.recording.name == "calls/known.wav"
        assert known.turns is not None
        assert known.turns.labels() == ["ann", "bob", "cleo"]
        assert known.recording.spoken == [
            Spoken("ann", 1.5, 3.75, "how are you"),
            Spoken("bob", 3.0, 4.0, "fine"),
        ]
        assert (words.recording.name, words.turns) == ("calls/words.wav", None)

    def test_are_those_whose_turns_are_known_where_words_do_not_count(self, folder: Path) -> None:
        (known,) = cases(recordings(folder), words=False)
        assert known.recording.name == "calls/known.wav"

    def test_whose_turns_are_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").touch()
        with pytest.raises(FileNotFoundError):
            cases([Recording("a", tmp_path / "a.wav", rttm=tmp_path / "a.rttm")], words=True)

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
        words = Recording("a", path, spoken=[Spoken("ann", 0.0, 1.0, "hi"), Spoken("bob", 1.0, 2.0, "hi")])
        assert Case(words).options(NumSpeakers.REFERENCE) == {"num_speakers": 2}
        assert Case(Recording("a", path)).options(NumSpeakers.REFERENCE) == {"num_speakers": None}


def interval(start: float, end: float) -> TimeInterval:
    return TimeInterval(start=start, end=end)


class FakeClient:
    """A server that finds one speaker who says hello, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer = {
            "audio": {"duration": 1.0, "sample_rate": 16000, "channels": 1},
            "processing": {"seconds": 1.0, "rtfx": 1.0},
            "turns": [SpeakerDiarizationSegment(time_interval=interval(0, 1), speaker="SPEAKER_00")],
        }

    def diarize(self, audio: bytes, **options: Any) -> DiarizationResult:
        self.asked.append(options)
        return DiarizationResult.model_validate(self.answer)

    def transcribe_diarized(self, audio: bytes, **options: Any) -> DiarizedTranscriptionResult:
        self.asked.append(options)
        segment = AsrSegment(text=" Hello.", time_interval=interval(0, 1), speaker="SPEAKER_00")
        written = {"segments": [segment], "transcription_info": {}, "transcription": {}}
        return DiarizedTranscriptionResult.model_validate(self.answer | written)


class TestContenders:
    def test_of_the_service_are_options_of_it(self) -> None:
        client: Any = FakeClient()
        chosen = [SERVICE, "service, attribution=sentence"]
        for contender in contenders(chosen, True, client, Settings()).values():
            found = contender(b"a file", {"num_speakers": 2})
            assert found.turns == turns(("SPEAKER_00", 0, 1))
            assert found.spoken == [Spoken("SPEAKER_00", 0.0, 1.0, " Hello.")]
        default, by_sentence = client.asked
        assert default == {"num_speakers": 2}
        assert by_sentence == {"num_speakers": 2, "attribution": "sentence"}
        assert DiarizedAsrOptions.model_validate(by_sentence) != DiarizedAsrOptions.model_validate(default)

    def test_of_the_service_find_turns_alone(self) -> None:
        client: Any = FakeClient()
        contender = contenders([SERVICE], False, client, Settings())[SERVICE]
        assert contender(b"a file", {}) == Found(turns(("SPEAKER_00", 0, 1)))

    def test_are_named(self) -> None:
        assert names(words=False) == [SERVICE, PIPELINE]
        assert names(words=True)[:4] == [
            SERVICE,
            "service, attribution=word",
            "service, attribution=sentence",
            PEER,
        ]
        assert (WHISPERX in names(words=True)) is (find_spec("whisperx") is not None)

    @pytest.mark.parametrize(("words", "name"), [(True, PIPELINE), (False, PEER), (True, "nobody")])
    def test_that_there_are_not_are_refused(self, words: bool, name: str) -> None:
        with pytest.raises(typer.BadParameter, match=re.escape(f"{name!r} is none of 'service'")):
            main([], words=words, contender=[name])


def test_segments_of_faster_whisper_in_the_form_of_the_service() -> None:
    words = [Word(0.5, 1.0, " Hello", 0.9), Word(1.0, 1.5, " you.", 0.7)]
    segment = WhisperSegment(1, 0, 0.5, 1.5, " Hello you.", [1], np.log(0.8), 1.0, 0.1, words, 0.0)
    (found,) = asr_segments([segment])
    assert (found.text, found.time_interval, found.speaker) == (" Hello you.", interval(0.5, 1.5), None)
    assert (found.confidence, found.no_speech_confidence) == (pytest.approx(0.8), 0.1)
    assert found.words == [
        AsrWord(word=" Hello", time_interval=interval(0.5, 1.0), alignment_confidence=0.9),
        AsrWord(word=" you.", time_interval=interval(1.0, 1.5), alignment_confidence=0.7),
    ]


class TestWhisperX:
    def test_says_who_says_each_word(self) -> None:
        segment = {
            "start": 1.0,
            "end": 4.0,
            "text": " Hello to you.",
            "speaker": "SPEAKER_00",
            "words": [
                {"word": "Hello", "start": 1.0, "end": 1.5, "score": 0.9, "speaker": "SPEAKER_01"},
                {"word": "to", "start": 2.0, "end": 2.5},  # outside of all turns
                {"word": "you."},  # not aligned
            ],
        }
        assert spoken_of([segment]) == [
            Spoken("SPEAKER_01", 1.0, 1.5, "Hello"),
            Spoken("SPEAKER_00", 2.0, 2.5, "to"),
            Spoken("SPEAKER_00", 2.0, 2.0, "you."),
        ]

    def test_says_who_says_what_could_not_be_aligned(self) -> None:
        assert spoken_of([{"start": 1.0, "end": 4.0, "text": " 5 %", "words": []}]) == [
            Spoken(NOBODY, 1.0, 1.0, " 5 %")
        ]


def transcript(wrong: int) -> SpokenScore:
    """20 words of two people, of which some are left out, and in cpWER twice as many are wrong."""
    return SpokenScore(Errors(wrong, 20), Errors(2 * wrong, 20), Errors(1, 20 - wrong), 3, 2)


def judged(
    name: str,
    service: Annotation | None = None,
    peer: Annotation | None = None,
    wrong: Sequence[int] = (),
) -> Judged:
    """10 s of speech in a recording of 20 s, for which the service takes 2 s, and its peer 5 s.

    `wrong` are wrong words of the service and of its peer.
    """
    outcomes = {
        by: Outcome(
            20.0,
            took,
            diarized=None if found is None else Diarized(ALONE, found, 20.0),
            words=transcript(wrong[at]) if wrong else None,
        )
        for at, (by, found, took) in enumerate([(SERVICE, service, 2.0), (PEER, peer, 5.0)])
    }
    known = None if service is None else ALONE
    return Judged(Case(Recording(name, Path(f"{name}.wav")), known), outcomes)


SLIGHTLY_WRONG = turns(("x", 0, 9.96))


class TestTable:
    def test_has_a_line_for_each_contender(self) -> None:
        alone, _ = groups([judged("meeting", WRONG, ALONE, wrong=(4, 5))])
        service, peer = rows(alone, [SERVICE, PEER])
        assert service == pytest.approx(
            {
                "recording": "meeting",
                "tuned_on": "no",
                "by": SERVICE,
                "WER_%": 20.0,
                "cpWER_%": 40.0,
                "WDER_%": 6.25,
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
        assert (peer["by"], peer["cpWER_%"], peer["DER_%"], peer["RTFx"]) == (PEER, 50.0, 0.0, 4.0)

    def test_has_nothing_of_words_where_they_are_not_known(self) -> None:
        (row,) = rows(groups([judged("meeting", WRONG, ALONE)])[0], [SERVICE])
        assert (row["WER_%"], row["cpWER_%"], row["WDER_%"], row["DER_%"]) == (None, None, None, 60.0)

    def test_has_no_columns_of_what_is_never_known(self) -> None:
        lines = [{"by": "a", "WER_%": None, "DER_%": 0.0}, {"by": "b", "WER_%": None, "DER_%": None}]
        assert without_empty(lines) == [{"by": "a", "DER_%": 0.0}, {"by": "b", "DER_%": None}]

    def test_counts_speakers_of_words_where_turns_are_not_known(self) -> None:
        (row,) = rows(groups([judged("meeting", wrong=(4, 5))])[0], [SERVICE])
        assert (row["WER_%"], row["DER_%"], row["missed_%"], row["JER_%"]) == (20.0, None, None, None)
        assert (row["speakers"], row["of"]) == (3, 2)

    def test_ends_with_totals(self) -> None:
        every = [judged("dev00", WRONG, WRONG), judged("meeting", ALONE, WRONG)]
        *_, total, held_out = groups(every)
        (row,) = rows(total, [SERVICE])
        assert (row["recording"], row["tuned_on"], row["RTFx"]) == ("all", "1 of 2", 10.0)
        assert row["DER_%"] == pytest.approx(30.0)
        (row,) = rows(held_out, [SERVICE])
        assert (row["recording"], row["tuned_on"], row["DER_%"]) == ("all not tuned on", "0 of 1", 0.0)

    def test_totals_are_of_what_is_known(self) -> None:
        every = [
            judged("a", WRONG, ALONE),
            judged("b", wrong=(4, 5)),
            judged("c", ALONE, ALONE, wrong=(0, 0)),
        ]
        (row,) = rows(groups(every)[-1], [SERVICE])
        assert (row["WER_%"], row["cpWER_%"], row["DER_%"]) == pytest.approx((10.0, 20.0, 30.0))
        assert row["WDER_%"] == pytest.approx(100 * 2 / 36)
        # Of turns 2 of 1 in `a`, 1 of 1 in `c`, and 3 of 2 in the words of `b`.
        assert (row["speakers"], row["of"], row["RTFx"]) == (6, 4, 10.0)

    def test_has_one_total_where_all_or_none_were_tuned_on(self) -> None:
        for alike in (["dev00", "dev01"], ["meeting", "call"]):
            every = [judged(name, ALONE, ALONE) for name in alike]
            assert [group.name for group in groups(every)] == [*alike, "all"]

    def test_is_empty_where_every_recording_is_refused(self) -> None:
        assert groups([]) == []


class TestGoals:
    def test_allow_a_little_on_one_recording_and_nothing_on_all(self) -> None:
        every = [judged("meeting", SLIGHTLY_WRONG, ALONE), judged("call", WRONG, WRONG)]
        found = [goal for group in groups(every) for goal in goals(group, PEER)]
        assert [(one.value, one.goal, one.holds) for one in found] == [
            (0.4, 0.5, True),
            (0.0, 0.5, True),
            (0.2, 0.0, False),
        ]
        assert found[0].name == "DER of service - DER of faster-whisper + pyannote, points: meeting"

    def test_are_held_by_who_is_better(self) -> None:
        every = groups([judged("meeting", ALONE, WRONG)])
        assert all(goal.holds for group in every for goal in goals(group, PEER))

    def test_are_not_missed_by_rounding(self) -> None:
        """A tenth of a millisecond in ten seconds is 0.001 points."""
        every = groups([judged("meeting", turns(("x", 0, 9.9999)), ALONE)])
        assert all(goal.holds for group in every for goal in goals(group, PEER))

    @pytest.mark.parametrize(
        ("wrong", "value", "holds"), [(17, 15.0, True), (18, 10.0, False), (20, 0.0, False)]
    )
    def test_of_words_are_of_all(self, wrong: int, value: float, holds: bool) -> None:
        """Of the 40 errors of the peer, 6 are 15 %."""
        every = groups([judged("meeting", wrong=(wrong, 10)), judged("call", wrong=(0, 10))])
        (found,) = [goal for group in every for goal in goals(group, PEER)]
        assert found.name == "cpWER errors of service, fewer than of faster-whisper + pyannote, %: all"
        assert (found.value, found.goal, found.holds) == (pytest.approx(value), 15.0, holds)


class TestJudging:
    @staticmethod
    def case(folder: Path, name: str) -> Case:
        path = folder / name
        path.write_bytes(wav(np.zeros(16_000, np.int16)))
        spoken = [Spoken("ann", 0.0, 1.0, "I'm here"), Spoken("bob", 1.0, 2.0, "fine")]
        return Case(Recording(name, path, "en", spoken=spoken), ALONE)

    def test_compares_what_is_found_with_what_is_known(self, tmp_path: Path) -> None:
        heard = [Spoken("x", 0.0, 1.0, " I am here."), Spoken("y", 1.0, 2.0, " Mine.")]
        work = {
            SERVICE: lambda audio, options: Found(WRONG, heard),
            PIPELINE: lambda audio, options: Found(ALONE),
        }
        (only,) = judge_all([self.case(tmp_path, "a.wav")], work, NumSpeakers.NONE, Console())
        service, turns_alone = only.outcomes[SERVICE], only.outcomes[PIPELINE]
        assert (service.seconds, service.diarized) == (1.0, Diarized(ALONE, WRONG, 1.0))
        assert service.words == SpokenScore(Errors(1, 4), Errors(1, 4), Errors(0, 4), 2, 2)
        assert (turns_alone.diarized, turns_alone.words) == (Diarized(ALONE, ALONE, 1.0), None)

    def test_leaves_out_for_all_what_one_refuses(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        refusals = iter([ServerOverloaded("try later"), None])

        def service(audio: bytes, options: object) -> Found:
            if refusal := next(refusals):
                raise refusal
            return Found(ALONE)

        work = {PEER: lambda audio, options: Found(WRONG), SERVICE: service}
        every = [self.case(tmp_path, "a.wav"), self.case(tmp_path, "b.wav")]
        (only,) = judge_all(every, work, NumSpeakers.NONE, Console())
        assert only.case.recording.name == "b.wav"
        assert only.outcomes[PEER].diarized == Diarized(ALONE, WRONG, 1.0)
        assert "a.wav is left out: " in capsys.readouterr().out
