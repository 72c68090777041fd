"""What the benchmarks count and write, by hand-worked cases; how fast anything is, is not tested."""

from pathlib import Path

import pytest

from benchmarks.conformance import Compared, goals, totals
from benchmarks.machine import Machine
from benchmarks.recordings import Recording, recordings
from benchmarks.report import Goal, Report, renew, show
from benchmarks.rounds import Part, Turns, rows, timed
from benchmarks.spoken import Spoken
from benchmarks.words import Apart, Errors, apart, errors, words_of

MACHINE = Machine(cpu="A processor", cores=2, memory_gb=8.0, gpus=[])
MISSED = Goal(name="the speed", value=1.25, bound="at least", goal=1.7)
REPORT = Report(
    commit="0123456789abcdef",
    dirty=True,
    machine=MACHINE,
    versions={"python": "3.11"},
    options={"rounds": 3, "whisper": "base"},
    rows=[
        {"work": "short", "by": "a | b", "speed": 2.0, "p50_ms": None},
        {"work": "long", "by": "c", "ratio": 0.5},
    ],
    goals=[MISSED, Goal(name="the errors", value=0.5, bound="at most", goal=1.0)],
)


class TestReport:
    def test_comes_back_from_its_file_as_it_was(self, tmp_path: Path) -> None:
        path = REPORT.save("bench", tmp_path / "results")
        assert path == tmp_path / "results" / "bench.json"
        assert Report.load("bench", tmp_path / "results") == REPORT

    def test_file_says_which_goals_hold(self, tmp_path: Path) -> None:
        text = REPORT.save("bench", tmp_path).read_text(encoding="utf-8")
        assert '"holds": false' in text
        assert '"holds": true' in text

    def test_tells_where_it_was_made_by_itself(self) -> None:
        report = Report(options={}, rows=[])
        assert report.machine.cores >= 1
        assert report.machine.memory_gb > 0
        assert {"python", "faster-whisper", "ctranslate2"} <= report.versions.keys()

    @pytest.mark.parametrize(
        ("bound", "value", "holds"),
        [
            ("at least", 1.7, True),
            ("at least", 1.69, False),
            ("at most", 1.7, True),
            ("at most", 1.71, False),
        ],
    )
    def test_bounds_belong_to_their_goal(self, bound: str, value: float, holds: bool) -> None:
        goal = Goal.model_validate({"name": "it", "value": value, "bound": bound, "goal": 1.7})
        assert goal.holds is holds

    def test_columns_come_in_the_order_of_the_rows(self) -> None:
        assert REPORT.head == ["work", "by", "speed", "p50_ms", "ratio"]
        assert REPORT.cells == [["short", "a | b", "2.00", "", ""], ["long", "c", "", "", "0.50"]]

    def test_what_does_not_hold_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        show(REPORT, "bench")
        printed = capsys.readouterr().out
        assert "does not hold: the speed: 1.25, should be at least 1.70" in printed
        assert "does not hold: the errors" not in printed
        assert "A processor, 2 cores, 8 GB; commit 0123456789 and changes" in printed


class TestPage:
    PAGE = "# Numbers\n\n<!-- results: bench -->\nNot measured.\n<!-- end -->\n\nEnd.\n"

    def test_holds_the_tables_between_its_markers(self, tmp_path: Path) -> None:
        REPORT.save("bench", tmp_path)
        page = renew(self.PAGE, tmp_path)
        assert "| work | by | speed | p50 ms | ratio |\n| --- | --- | --- | --- | --- |\n" in page
        assert "| short | a / b | 2.00 |  |  |\n" in page
        assert "| the speed | 1.25 | at least 1.70 | no |\n" in page
        assert "Not measured." not in page
        assert page.endswith("<!-- end -->\n\nEnd.\n")
        assert renew(page, tmp_path) == page

    def test_holds_the_goals_alone_where_it_says_so(self, tmp_path: Path) -> None:
        REPORT.save("bench", tmp_path)
        page = renew(self.PAGE.replace("results:", "goals:"), tmp_path)
        assert "| the speed | 1.25 | at least 1.70 | no |\n" in page
        assert "| short |" not in page
        assert "<!-- goals: bench -->" in page

    def test_stays_as_it_is_where_nothing_was_measured(self, tmp_path: Path) -> None:
        assert renew(self.PAGE, tmp_path) == self.PAGE


class TestRounds:
    def test_ratios_are_taken_round_by_round(self) -> None:
        """The machine was twice as slow in the second round, for both."""
        peer, own = Turns([2.0, 4.0, 2.0]), Turns([1.0, 2.0, 4.0])
        assert own.ratios_of(peer) == [2.0, 2.0, 0.5]
        assert own.ratio_of(peer) == 2.0

    def test_a_row_holds_medians_over_the_rounds(self) -> None:
        latencies = [number / 1000 for number in range(1, 21)]
        turns = {"peer": Turns([2.0, 4.0, 2.0]), "service": Turns([1.0, 2.0, 4.0], latencies)}
        part = Part(
            "clips",
            8,
            "clips/s",
            {},
        )
        first, second = rows(part, turns)
        assert (first["by"], first["speed"], first["ratio"], first["p50_ms"]) == ("peer", 4.0, 1.0, None)
        assert second == {
            "work": "clips",
            "by": "service",
            "speed": 4.0,
            "unit": "clips/s",
            "p50_ms": 10,
            "p95_ms": 19,
            "ratio": 2.0,
            "lowest": 0.5,
            "highest": 2.0,
        }

    def test_every_item_is_worked_on_once(self) -> None:
        done: list[int] = []
        latencies = timed(done.append, range(10), at_once=4)
        assert sorted(done) == list(range(10))
        assert len(latencies) == 10


class TestWords:
    @pytest.mark.parametrize(
        ("text", "language", "words"),
        [
            (" Hello, hello! I’m “here”.", "en", ["hello", "hello", "i", "am", "here"]),
            ("Mm-hmm — that colour, twenty-five? Uh, 5%", "en", ["that", "color", "25", "5%"]),
            (" Hallo, hallo! Ich hab’s “hier”.", "de", ["hallo", "hallo", "ich", "hab's", "hier"]),
            ("Mm-hmm — 'tis 5 %", None, ["mm", "hmm", "tis", "5"]),
            ("Où ça ? L'été", "fr", ["où", "ça", "l'été"]),
            ("今日は、 晴れ。", "ja", list("今日は晴れ")),
            ("", None, []),
        ],
    )
    def test_are_compared_as_they_sound_in_english_and_elsewhere_without_case_and_punctuation(
        self, text: str, language: str | None, words: list[str]
    ) -> None:
        assert words_of(text, language) == words

    @pytest.mark.parametrize(
        ("reference", "heard", "wrong"),
        [
            ("a b c", "a b c", 0),
            ("a b c", "a x c", 1),  # changed
            ("a b c", "a c", 1),  # left out
            ("a b c", "a b b c", 1),  # put in
            ("a b c d", "b c d e", 2),  # one left out, one put in
            ("a b c", "", 3),
            ("", "a b", 2),
            ("", "", 0),
            ("k i t t e n", "s i t t i n g", 3),
        ],
    )
    def test_errors_are_the_fewest(self, reference: str, heard: str, wrong: int) -> None:
        assert errors(reference.split(), heard.split()) == Errors(wrong, len(reference.split()))

    def test_rates(self) -> None:
        assert Errors(1, 4).percent == 25.0
        assert (Errors(1, 4) + Errors(2, 8)).percent == 25.0
        assert Errors().percent == 0.0

    def test_times_of_words_that_both_have(self) -> None:
        ours = [(" Well", 0.0, 0.5), (" hello,", 1.0, 1.5), (" there.", 2.0, 2.5)]
        theirs = [(" Hello", 1.1, 1.5), (" you", 1.6, 1.9), (" there", 2.0, 2.9)]
        found = apart(ours, theirs, "en")
        assert found is not None
        assert found.median == pytest.approx(0.05)  # of 0.1, 0.0, 0.0 and 0.4
        assert found.most == pytest.approx(0.4)

    def test_no_words_in_common_have_no_times(self) -> None:
        assert apart([("a", 0.0, 1.0)], [("b", 0.0, 1.0)], "en") is None
        assert apart([], [], "en") is None


class TestRecordings:
    def test_of_folders_in_a_folder(self, tmp_path: Path) -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        for folder in (one, two):
            folder.mkdir()
        (one / "a.stm").write_text("a 1 B 2.0 3.0 there you\na 1 A 0.5 1.0 <o> Hello\n;; a comment\n")
        (one / "b.ctm").write_text("b 1 1.5 0.5 world 0.9\nb 1 1.0 0.5 Hello\n")
        (one / "manifest.jsonl").write_text(
            '{"audio": "a.wav", "stm": "a.stm", "language": "en"}\n\n{"audio": "b.wav", "ctm": "b.ctm"}\n'
        )
        (two / "manifest.jsonl").write_text('{"audio": "c.ogg", "text": "hola", "speakers": 1}\n')
        stm, ctm, text = recordings(tmp_path)
        assert stm == Recording(
            "one/a.wav",
            one / "a.wav",
            "en",
            spoken=[Spoken("B", 2.0, 3.0, "there you"), Spoken("A", 0.5, 1.0, "Hello")],
        )
        assert stm.reference == "Hello there you"
        assert ctm.reference == "Hello world"
        assert text == Recording("two/c.ogg", two / "c.ogg", None, "hola", speakers=1)
        assert text.reference == "hola"

    def test_without_a_manifest(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"manifest\.jsonl"):
            list(recordings(tmp_path))

    def test_of_which_nothing_is_known(self) -> None:
        assert Recording("a", Path("a")).reference is None


def compared(name: str, sequential: int, batched: int, language: str = "en") -> Compared:
    recording = Recording(name, Path(name), language, "known")
    return Compared(
        recording,
        Errors(sequential, 100),
        Apart(0.02 * sequential, 1.0),
        Errors(batched, 10),
        Errors(2, 10),
        Errors(1, 10),
    )


class TestConformance:
    def test_totals_keep_words_and_characters_apart(self) -> None:
        unknown = Compared(Recording("c", Path("c"), "en"), Errors(0, 5), None)
        words, characters = totals(
            [compared("a", 0, 3), compared("b", 0, 0), unknown, compared("d", 0, 1, "ja")]
        )
        assert (words.name, words.batched, words.pipeline) == ("all words", Errors(3, 20), Errors(4, 20))
        assert (characters.name, characters.batched) == ("all characters", Errors(1, 10))

    def test_goals_name_the_worst_recording(self) -> None:
        sequential, times, batched = goals([compared("a", 0, 3), compared("b", 6, 3)])
        assert "b" in sequential.name
        assert (sequential.value, sequential.holds) == (6.0, False)
        assert "b" in times.name
        assert (times.value, times.holds) == (0.12, False)
        assert (batched.value, batched.goal, batched.holds) == (30.0, 20.0, False)
