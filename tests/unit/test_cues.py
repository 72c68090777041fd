"""Subtitles: cues that can be read, made of every word once."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from triologue import AsrSegment, AsrWord, CueStyle, TimeInterval, cues
from triologue.layout.columns import fold, may_break, width
from triologue.layout.cues import Cue

LONG = (
    " I think that what we have been trying to say for the whole of this afternoon is that nobody knows, and"
    " that anybody who tells you otherwise is selling umbrellas."
)
CHINESE = (
    "今天天气很好，我们一起去公园散步吧。你觉得怎么样？"
    "我得先把作业写完，然后再打电话告诉妈妈我们什么时候回家吃饭。"
)


def word(text: str, start: float, end: float, speaker: str | None = None) -> AsrWord:
    interval = TimeInterval(start=start, end=end)
    return AsrWord(word=text, time_interval=interval, alignment_confidence=0.9, speaker=speaker)


def segment(*words: AsrWord, speaker: str | None = None) -> AsrSegment:
    interval = TimeInterval(start=words[0].time_interval.start, end=words[-1].time_interval.end)
    text = "".join(word.word for word in words)
    return AsrSegment(text=text, time_interval=interval, words=list(words), speaker=speaker)


def said(text: str, *, start: float = 0.0, each: float = 0.3, speaker: str | None = None) -> AsrSegment:
    """Make a segment of words, one after the other; East Asian text has one for each character."""
    texts = [" " + part for part in text.split()] if text.startswith(" ") else list(text)
    return segment(
        *(word(part, start + at * each, start + (at + 1) * each, speaker) for at, part in enumerate(texts))
    )


def wordless(text: str, start: float, end: float, speaker: str | None = None) -> AsrSegment:
    return AsrSegment(text=text, time_interval=TimeInterval(start=start, end=end), speaker=speaker)


def shown(found: list[Cue]) -> list[tuple[str, ...]]:
    return [cue.lines for cue in found]


class TestCuts:
    def test_nothing(self) -> None:
        assert cues([]) == []
        assert cues([wordless("  ", 0, 1)]) == []

    def test_each_sentence_that_can_be_read_is_a_cue(self) -> None:
        assert shown(cues([said(" The rain has stopped. We can go out now.")])) == [
            ("The rain has stopped.",),
            ("We can go out now.",),
        ]

    def test_sentences_too_short_to_be_read_go_together(self) -> None:
        assert shown(cues([said(" Yes. No. I do. The rain has stopped for good.")])) == [
            ("Yes. No. I do.",),
            ("The rain has stopped for good.",),
        ]

    def test_a_short_last_sentence_goes_with_the_one_before_it(self) -> None:
        following = said(" What?", start=1.8, speaker="B")
        assert shown(cues([said(" The rain has stopped. Okay.", speaker="A"), following])) == [
            ("The rain has stopped. Okay.",),
            ("What?",),
        ]

    def test_a_short_sentence_before_a_silence_has_time_of_its_own(self) -> None:
        (first, second) = cues([said(" The rain has stopped. Okay.")])
        assert (first.lines, second.lines) == (("The rain has stopped.",), ("Okay.",))
        assert (second.start, second.end) == (pytest.approx(1.2), pytest.approx(1.2 + 5 / 6))

    def test_a_long_sentence_is_cut_at_clause_marks_and_then_evenly(self) -> None:
        assert shown(cues([said(LONG)])) == [
            ("I think that what we have", "been trying to say for"),
            ("the whole of this afternoon", "is that nobody knows,"),
            ("and that anybody who tells you", "otherwise is selling umbrellas."),
        ]

    def test_a_pause_is_as_good_as_a_mark(self) -> None:
        words = said(LONG.replace(",", "")).words
        words = words[:9] + [
            word(w.word, w.time_interval.start + 0.5, w.time_interval.end + 0.5) for w in words[9:]
        ]
        assert shown(cues([segment(*words)]))[0] == ("I think that what we have been trying to",)

    def test_a_long_silence_ends_a_cue(self) -> None:
        words = [word(" Well", 0, 1), word(" then", 2.6, 3)]
        assert shown(cues([segment(*words)])) == [("Well",), ("then",)]
        assert shown(cues([segment(*words)], CueStyle(max_gap_s=2))) == [("Well then",)]

    def test_a_cue_lasts_for_seven_seconds_at_most(self) -> None:
        slow = cues([said(" one two three four five six seven eight", each=1.4)])
        assert [len(cue.words) for cue in slow] == [4, 4]
        assert all(cue.end - cue.start <= 7 for cue in slow)

    def test_a_word_that_lasts_longer_is_shown_for_as_long(self) -> None:
        assert [(cue.start, cue.end) for cue in cues([segment(word(" Hm", 0, 9), word(" yes", 9, 9.2))])] == [
            (0, 9),
            (9, pytest.approx(9 + 5 / 6)),
        ]

    def test_never_two_speakers(self) -> None:
        found = cues([segment(word(" Hi", 0, 1, "A"), word(" you", 1, 2, "B"), word(" too", 2, 3, "A"))])
        assert [(cue.speaker, cue.lines) for cue in found] == [
            ("A", ("Hi",)),
            ("B", ("you",)),
            ("A", ("too",)),
        ]

    def test_words_without_a_speaker_have_their_segment_s(self) -> None:
        (cue,) = cues([segment(word(" Hi", 0, 1), speaker="A")])
        assert (cue.speaker, cue.words[0].speaker) == ("A", None)


class TestLines:
    def test_one_line_where_it_is_enough(self) -> None:
        assert shown(cues([said(" " + "abcd " * 8)])) == [("abcd abcd abcd abcd abcd abcd abcd abcd",)]

    def test_a_line_ends_at_a_mark_where_lines_stay_even(self) -> None:
        text = " Nobody knows the weather, and so we take the umbrellas."
        assert shown(cues([said(text)])) == [("Nobody knows the weather,", "and so we take the umbrellas.")]

    def test_more_lines(self) -> None:
        style = CueStyle(max_chars_per_line=16, max_lines=3)
        assert shown(cues([said(" Nobody knows whether it is going to rain.", each=0.2)], style)) == [
            ("Nobody knows", "whether it is", "going to rain.")
        ]

    def test_a_word_that_is_longer_than_a_line_stays_whole(self) -> None:
        style = CueStyle(max_chars_per_line=8)
        text = " an incomprehensible word"
        assert [line for cue in cues([said(text)], style) for line in cue.lines] == text.split()

    def test_a_label_takes_room(self) -> None:
        style = CueStyle(max_chars_per_line=12, show_speaker=True)
        assert shown(cues([said(" We may go out.", speaker="Ann")], style)) == [("Ann: We may", "go out.")]
        assert shown(cues([said(" umbrellas", speaker="Ann")], style)) == [("Ann:", "umbrellas")]

    def test_a_label_and_a_word_share_the_only_line(self) -> None:
        style = CueStyle(max_chars_per_line=8, max_lines=1, show_speaker=True)
        assert shown(cues([said(" umbrellas now", speaker="Ann")], style)) == [
            ("Ann: umbrellas",),
            ("Ann: now",),
        ]

    def test_nobody_has_no_label(self) -> None:
        assert shown(cues([said(" Hello.")], CueStyle(show_speaker=True))) == [("Hello.",)]

    @pytest.mark.parametrize(
        "texts", [(" well", "-known"), (" her", "“"), (" (", "so"), (" «", " Oui"), ("", " a")]
    )
    def test_what_belongs_together_is_not_parted(self, texts: tuple[str, str]) -> None:
        words = [word(text, at, at + 1) for at, text in enumerate([" aaaaa", *texts, " bbbbb"])]
        style = CueStyle(max_chars_per_line=12, max_lines=1)
        lines = [line for cue in cues([segment(*words)], style) for line in cue.lines]
        assert any("".join(texts).strip() in line for line in lines)

    def test_white_space_inside_words_is_one_space(self) -> None:
        assert shown(cues([segment(word(" a\n\t b ", 0, 1), word(" ", 1, 1), word(" c", 1, 2))])) == [
            ("a b c",)
        ]


class TestTimes:
    def test_a_fast_cue_stays_until_it_has_been_read(self) -> None:
        (cue,) = cues([said(" A sentence of thirty-four letters.", each=0.2)])
        assert (cue.start, cue.end) == (0.0, 2.0)

    def test_but_never_longer_than_the_next_one_allows(self) -> None:
        first, _ = cues(
            [said(" Some fast speech.", each=0.1, speaker="A"), said(" No.", start=0.5, speaker="B")]
        )
        assert first.end == 0.5

    def test_nor_longer_than_a_cue_may_stay(self) -> None:
        (cue,) = cues([said(" Some fast speech.", each=0.1)], CueStyle(max_chars_per_second=1, max_seconds=2))
        assert cue.end == 2.0

    def test_words_that_overlap_the_next_cue_are_cut_short_on_the_screen_alone(self) -> None:
        first, second = cues([segment(word(" a", 0, 3, "A"), word(" b", 2, 4, "B"))])
        assert (first.end, second.start) == (2, 2)
        assert first.words[0].time_interval.end == 3

    def test_words_of_no_length_share_the_time_there_is(self) -> None:
        first, second, last = cues(
            [
                segment(
                    word(" " + "a" * 34, 30, 30, "A"), word(" " + "b" * 51, 30, 30, "B"), word(" c", 32, 33)
                )
            ]
        )
        assert (first.start, first.end) == (30, pytest.approx(30.8))
        assert (second.start, second.end, last.start) == (first.end, 32, 32)

    def test_and_no_more_of_it_than_they_need(self) -> None:
        first, second = cues([segment(word(" " + "a" * 34, 30, 30, "A"), word(" b", 30, 60, "B"))])
        assert (first.end, second.start, second.end) == (32, 32, 60)

    def test_time_that_goes_back_a_little_does_not_make_cues_overlap(self) -> None:
        found = cues([segment(word(" a", 5, 6, "A"), word(" b", 4.5, 5.5, "B"), word(" c", 7, 8, "A"))])
        assert [cue.start for cue in found] == [5, pytest.approx(5.5, abs=0.51), 7]
        assert all(one.end <= other.start for one, other in pairwise(found))

    def test_two_recordings_in_one_list(self) -> None:
        found = cues([said(" The first one.", start=100), said(" The second one.")])
        assert [(cue.lines, cue.start) for cue in found] == [
            (("The first one.",), 100),
            (("The second one.",), 0),
        ]

    def test_a_word_that_ends_before_it_starts(self) -> None:
        (cue,) = cues([segment(word(" oh", 2, 1))])
        assert (cue.start, cue.end) == (2, pytest.approx(2 + 5 / 6))


class TestWithoutWords:
    def test_text_is_spread_over_its_time(self) -> None:
        found = cues([wordless(" The rain has stopped. We can go out now.", 10, 18)])
        assert shown(found) == [("The rain has stopped.",), ("We can go out now.",)]
        assert [cue.start for cue in found] == [10, pytest.approx(10 + 8 * 21 / 40)]
        assert found[1].end == 18
        assert [cue.words for cue in found] == [(), ()]

    def test_texts_without_a_space_before_them_are_parted(self) -> None:
        assert shown(cues([wordless("Yes.", 0, 0.1), wordless("No.", 0.1, 0.2)])) == [("Yes. No.",)]

    def test_chinese_is_cut_between_characters(self) -> None:
        found = cues([wordless(CHINESE, 0, 12)], CueStyle(max_chars_per_line=16))
        assert "".join(line for cue in found for line in cue.lines) == CHINESE
        assert all(width(line) <= 16 for cue in found for line in cue.lines)

    def test_blank_words_of_a_segment_with_text_are_kept(self) -> None:
        blank = segment(word("", 0, 0), word(" ", 1, 1)).model_copy(update={"text": " Hello."})
        found = cues([blank])
        assert [(cue.lines, cue.words) for cue in found] == [(("Hello.",), ()), ((), tuple(blank.words))]


class TestScripts:
    def test_chinese(self) -> None:
        found = cues([said(CHINESE, each=0.2)], CueStyle(max_chars_per_line=32))
        assert shown(found) == [
            ("今天天气很好，", "我们一起去公园散步吧。"),
            ("你觉得怎么样？",),
            ("我得先把作业写完，然后再打电话", "告诉妈妈我们什么时候回家吃饭。"),
        ]

    def test_japanese_marks_do_not_begin_a_line(self) -> None:
        words = [
            "「",
            "コン",
            "ピュー",
            "タ",
            "ー",
            "が",
            "ほ",
            "し",
            "か",
            "っ",
            "た",
            "」",
            "と",
            "言",
            "っ",
            "た",
            "。",
        ]
        found = cues(
            [segment(*(word(text, at / 4, (at + 1) / 4) for at, text in enumerate(words)))],
            CueStyle(max_chars_per_line=10),
        )
        lines = [line for cue in found for line in cue.lines]
        assert "".join(lines) == "".join(words)
        assert not any(line[0] in "ーっ」。" or line[-1] == "「" for line in lines)
        assert all(width(line) <= 10 for line in lines)

    @pytest.mark.parametrize(
        ("text", "sentences"),
        [
            (" هل توقف المطر في المدينة؟ نعم، يمكننا أن نخرج الآن.", 2),
            (" बारिश रुक गई है और आसमान साफ़ है। अब हम बाहर जा सकते हैं।", 2),
            (" 비가 완전히 그쳤습니다. 이제 밖으로 나갈 수 있습니다.", 2),
        ],
        ids=["arabic", "hindi", "korean"],
    )
    def test_sentences_of_scripts_with_spaces(self, text: str, sentences: int) -> None:
        found = cues([said(text, each=0.4)])
        assert len(found) == sentences
        assert " ".join(line for cue in found for line in cue.lines) == text.strip()
        spread = cues([wordless(text, 0, 5)])
        assert shown(spread) == shown(found)

    @pytest.mark.parametrize(
        ("text", "columns"),
        [
            ("", 0),
            ("abc", 3),
            ("é", 1),
            ("e\u0301", 1),
            ("你好", 4),
            ("ｱ", 1),
            ("Ａ", 2),
            ("कि", 2),
            ("नमस्ते", 4),
            ("\u200d", 1),
        ],
    )
    def test_width(self, text: str, columns: int) -> None:
        assert width(text) == columns

    @pytest.mark.parametrize(
        ("before", "after", "may"),
        [
            (" so", " it", True),
            (" so ", "it", True),
            (" so", "-called", False),
            ("天", "气", True),
            ("天", "。", False),
            ("「", "天", False),
            (" 今", "GPU", True),
            (" 비", "가", False),
            ("ส", "วัสดี", True),
            ("ส", "\u0e31", False),
            ("タ", "ー", False),
            (" her.“", " Sie", True),
            (" «", " Oui", False),
        ],
    )
    def test_may_break(self, before: str, after: str, may: bool) -> None:
        assert may_break(before, after) is may


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_chars_per_line": 0},
        {"max_lines": 0},
        {"max_chars_per_second": 0},
        {"min_seconds": -1},
        {"max_seconds": 0},
        {"max_gap_s": -1},
    ],
    ids=str,
)
def test_a_style_has_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        CueStyle(**wrong)


def test_fold_takes_what_does_not_fit() -> None:
    (cue,) = cues([said(" a b c")])
    assert cue.lines == ("a b c",)
    assert fold([], 10, 2) == ()


TEXTS = st.one_of(
    st.sampled_from(
        [
            " the",
            " umbrella",
            " a",
            ".",
            ",",
            "”",
            " «",
            "",
            " ",
            "\u3000",
            " Well,",
            " no.",
            "x\ny",
            "-known",
        ]
    ),
    st.sampled_from(
        ["天", "气", "。", "「", "」", "っ", "ー", "你好", " नमस्ते", " مرحبا؟", "ส", "\u0e31", "가"]
    ),
    st.text(max_size=12),
)
SPEAKERS = st.sampled_from([None, "A", "B", "", "Ann Lee"])
SECONDS = st.floats(0, 1e5)
STYLES = st.builds(
    CueStyle,
    max_chars_per_line=st.integers(1, 50),
    max_lines=st.integers(1, 4),
    max_chars_per_second=st.floats(0.1, 100),
    min_seconds=st.floats(0, 10),
    max_seconds=st.floats(0.1, 10),
    max_gap_s=st.floats(0, 5),
    show_speaker=st.booleans(),
)
ANY_WORDS = st.lists(st.builds(word, TEXTS, SECONDS, SECONDS, SPEAKERS), max_size=8)
ANY_SEGMENTS = st.lists(
    st.builds(
        lambda text, start, end, words, speaker: AsrSegment(
            text=text, time_interval=TimeInterval(start=start, end=end), words=words, speaker=speaker
        ),
        st.text(max_size=40),
        SECONDS,
        SECONDS,
        ANY_WORDS,
        SPEAKERS,
    ),
    max_size=4,
)
STEPS = st.one_of(st.just(0.0), st.floats(0, 3))


@st.composite
def speech(draw: st.DrawFn) -> list[AsrSegment]:
    """Draw segments whose words come one after the other."""
    clock = 0.0
    segments = []
    for speaker in draw(st.lists(SPEAKERS, max_size=4)):
        words = []
        for text, pause, length in draw(st.lists(st.tuples(TEXTS, STEPS, STEPS), min_size=1, max_size=10)):
            words.append(word(text, clock + pause, clock + pause + length, speaker))
            clock += pause + length
        segments.append(segment(*words, speaker=speaker))
    return segments


def of_segment(segments: list[AsrSegment]) -> list[tuple[AsrWord, str | None]]:
    return [
        (word, part.speaker if word.speaker is None else word.speaker)
        for part in segments
        for word in part.words
    ]


# The machine may be busy with other things.
unhurried = settings(deadline=None)


class TestWhateverComesIn:
    @unhurried
    @given(ANY_SEGMENTS, STYLES)
    def test_every_word_comes_out_once_in_order_and_unchanged(
        self, segments: list[AsrSegment], style: CueStyle
    ) -> None:
        found = cues(segments, style)
        words = [word for cue in found for word in cue.words]
        assert len(words) == sum(len(part.words) for part in segments)
        assert all(one is other for one, (other, _) in zip(words, of_segment(segments), strict=True))
        assert all(cue.start <= cue.end for cue in found)

    @unhurried
    @given(ANY_SEGMENTS, STYLES)
    def test_all_text_is_shown(self, segments: list[AsrSegment], style: CueStyle) -> None:
        style = style.model_copy(update={"show_speaker": False})
        written = "".join(
            "".join(word.word for word in part.words)
            if any(word.word.strip() for word in part.words)
            else part.text
            for part in segments
        )
        lines = [line for cue in cues(segments, style) for line in cue.lines]
        assert "".join("".join(lines).split()) == "".join(written.split())
        assert all(line and line == " ".join(line.split()) for line in lines)

    @unhurried
    @given(ANY_SEGMENTS, STYLES)
    def test_a_cue_has_one_speaker(self, segments: list[AsrSegment], style: CueStyle) -> None:
        found = cues(segments, style)
        speakers = [cue.speaker for cue in found for _ in cue.words]
        assert speakers == [speaker for _, speaker in of_segment(segments)]

    @unhurried
    @given(speech(), STYLES)
    def test_lines_fit(self, segments: list[AsrSegment], style: CueStyle) -> None:
        for cue in cues(segments, style):
            assert len(cue.lines) <= style.max_lines
            texts = {" ".join(word.word.split()) for word in cue.words}
            label = f"{cue.speaker}:" if style.show_speaker and cue.speaker else ""
            for line in cue.lines:
                alone = {*texts, label, *(f"{label} {text}" for text in texts)}
                assert width(line) <= style.max_chars_per_line or line in alone

    @unhurried
    @given(speech(), STYLES)
    def test_cues_follow_each_other(self, segments: list[AsrSegment], style: CueStyle) -> None:
        found = cues(segments, style)
        assert all(one.end <= other.start for one, other in pairwise(found))
        for cue in found:
            spoken = [word.time_interval for word in cue.words if word.word.strip()]
            assert len(spoken) <= 1 or spoken[-1].end - cue.start <= style.max_seconds + 1e-6
            assert len(spoken) <= 1 or cue.end - cue.start <= style.max_seconds + 1e-6

    @unhurried
    @given(speech(), STYLES)
    def test_a_cue_is_too_fast_only_where_the_next_one_comes(
        self, segments: list[AsrSegment], style: CueStyle
    ) -> None:
        style = style.model_copy(update={"show_speaker": False})
        found = [cue for cue in cues(segments, style) if cue.lines]
        starts = [cue.start for cue in cues(segments, style)]
        for cue in found:
            letters = sum(map(width, cue.lines))
            needed = min(style.max_seconds, max(style.min_seconds, letters / style.max_chars_per_second))
            assert cue.end - cue.start >= needed - 1e-6 or cue.end in starts
