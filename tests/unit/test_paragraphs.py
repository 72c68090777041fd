"""Paragraphs: segments for reading, made of every word once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triologue import AsrSegment, AsrWord, TimeInterval, cues, paragraphs
from triologue.layout.pieces import Cut, cuts, pieces


def word(text: str, start: float, end: float, speaker: str | None = None) -> AsrWord:
    interval = TimeInterval(start=start, end=end)
    return AsrWord(word=text, time_interval=interval, alignment_confidence=0.9, speaker=speaker)


def segment(*words: AsrWord, speaker: str | None = None, confidence: float | None = None) -> AsrSegment:
    return AsrSegment(
        text="".join(word.word for word in words),
        time_interval=TimeInterval(
            start=words[0].time_interval.start, end=max(word.time_interval.end for word in words)
        ),
        words=list(words),
        speaker=speaker,
        confidence=confidence,
        no_speech_confidence=confidence,
    )


def said(
    text: str, start: float = 0.0, speaker: str | None = None, confidence: float | None = None
) -> AsrSegment:
    """Make a segment of words of a second each; East Asian text has one for each character."""
    texts = [" " + part for part in text.split()] if text.startswith(" ") else list(text)
    words = [word(part, start + at, start + at + 1, speaker) for at, part in enumerate(texts)]
    return segment(*words, speaker=speaker, confidence=confidence)


def wordless(text: str, start: float, end: float, speaker: str | None = None) -> AsrSegment:
    return AsrSegment(text=text, time_interval=TimeInterval(start=start, end=end), speaker=speaker)


def texts(segments: list[AsrSegment]) -> list[str]:
    return [segment.text for segment in segments]


class TestCuts:
    def test_nothing(self) -> None:
        assert paragraphs([]) == []
        assert paragraphs([wordless(" \n", 0, 1)]) == []

    def test_segments_of_one_speaker_are_joined(self) -> None:
        (found,) = paragraphs([said(" The rain", 0, "A"), said(" has stopped.", 2, "A")])
        assert found.text == " The rain has stopped."
        assert (found.time_interval.start, found.time_interval.end, found.speaker) == (0, 4, "A")

    def test_never_two_speakers(self) -> None:
        mixed = segment(word(" Hi.", 0, 1, "A"), word(" Oh,", 1, 2, "B"), word(" hi.", 2, 3, "B"))
        assert [(found.speaker, found.text) for found in paragraphs([mixed])] == [
            ("A", " Hi."),
            ("B", " Oh, hi."),
        ]

    def test_words_without_a_speaker_have_their_segment_s(self) -> None:
        plain = segment(word(" Hi.", 0, 1), speaker="A")
        assert paragraphs([plain]) == [plain]

    def test_a_silence_ends_a_paragraph(self) -> None:
        segments = [said(" One.", 0), said(" Two.", 3), said(" Three.", 6.1)]
        assert texts(paragraphs(segments)) == [" One. Two.", " Three."]
        assert texts(paragraphs(segments, max_gap_s=1)) == [" One.", " Two.", " Three."]

    def test_as_many_whole_sentences_as_there_is_room_for(self) -> None:
        text = " One two. One two three. One. Two three four."
        assert texts(paragraphs([said(text)], max_seconds=6)) == [
            " One two. One two three. One.",
            " Two three four.",
        ]
        assert texts(paragraphs([said(text)], max_seconds=5.9)) == [
            " One two. One two three.",
            " One. Two three four.",
        ]

    def test_a_long_sentence_is_cut_at_a_clause_mark(self) -> None:
        text = " One. one, two three, four five six seven."
        assert texts(paragraphs([said(text)], max_seconds=4)) == [
            " One.",
            " one, two three,",
            " four five six seven.",
        ]

    def test_a_longer_clause_is_cut_between_words(self) -> None:
        assert texts(paragraphs([said(" a b c d e")], max_seconds=2)) == [" a b", " c d", " e"]

    def test_a_longer_word_stays_whole(self) -> None:
        assert texts(paragraphs([segment(word(" Hm", 0, 9), word(" yes", 9, 10))], max_seconds=2)) == [
            " Hm",
            " yes",
        ]

    def test_quotes_stay_with_their_sentence(self) -> None:
        words = [word(" Yes.", 0, 1), word("”", 1, 2), word(" No.", 2, 3)]
        assert texts(paragraphs([segment(*words)], max_seconds=2)) == [" Yes.”", " No."]

    @pytest.mark.parametrize(
        ("text", "first"),
        [
            ("今天天气很好。我们一起去公园吧。", "今天天气很好。"),
            ("雨が上がりました。出かけましょう。", "雨が上がりました。"),
            (" هل توقف المطر في المدينة؟ نعم، يمكننا أن نخرج الآن.", " هل توقف المطر في المدينة؟"),
            (" बारिश रुक गई है। अब हम बाहर जा सकते हैं।", " बारिश रुक गई है।"),
        ],
        ids=["chinese", "japanese", "arabic", "hindi"],
    )
    def test_sentences_of_other_scripts(self, text: str, first: str) -> None:
        found = paragraphs([said(text)], max_seconds=9)
        assert found[0].text == first
        assert "".join(texts(found)) == text


class TestSegments:
    def test_a_segment_that_is_a_paragraph_comes_back_as_it_is(self) -> None:
        only = said(" Hello there.", speaker="A", confidence=0.5).model_copy(update={"text": "Hello there."})
        assert paragraphs([only])[0] is only

    def test_confidences_are_means_by_characters(self) -> None:
        (found,) = paragraphs([said(" ab", 0, confidence=0.5), said(" abcdef", 1, confidence=0.9)])
        assert found.confidence == pytest.approx(0.8)
        assert found.no_speech_confidence == pytest.approx(0.8)

    def test_what_is_not_known_has_no_weight(self) -> None:
        (found,) = paragraphs([said(" ab", 0, confidence=0.5), said(" abcdef", 1)])
        assert found.confidence == 0.5
        (found,) = paragraphs([said(" ab", 0), said(" abcdef", 1)])
        assert found.confidence is None

    def test_segments_without_words_are_joined_whole(self) -> None:
        segments = [wordless(" It rains.", 0, 8), wordless("So what?", 8, 12)]
        assert texts(paragraphs(segments)) == [" It rains. So what?"]
        assert paragraphs(segments, max_seconds=5) == segments
        chinese = [wordless("雨停了。", 0, 8), wordless("我们出去吧。", 8, 12)]
        assert texts(paragraphs(chinese)) == ["雨停了。我们出去吧。"]

    def test_words_and_text_without_words_do_not_mix(self) -> None:
        segments = [said(" One."), wordless(" Two.", 1, 2), said(" Three.", 2)]
        assert paragraphs(segments) == segments

    def test_blank_words_of_a_segment_with_text_are_kept(self) -> None:
        blank = segment(word("", 0, 0), word(" ", 1, 1)).model_copy(update={"text": " Hello."})
        found = paragraphs([blank])
        assert [(part.text, part.words) for part in found] == [(" Hello.", []), (" ", blank.words)]

    @pytest.mark.parametrize(
        "wrong", [{"max_seconds": 0.0}, {"max_seconds": float("nan")}, {"max_gap_s": -1.0}]
    )
    def test_lengths_have_bounds(self, wrong: dict[str, float]) -> None:
        (name,) = wrong
        with pytest.raises(ValueError, match=name):
            paragraphs([], **wrong)


def test_where_a_text_may_be_cut() -> None:
    run = pieces(
        [segment(word(" Yes", 0, 1), word(",", 1, 2), word(" no", 2, 3), word(" or", 3.4, 4))],
        split_text=True,
    )
    assert cuts(run) == [Cut.NEVER, Cut.CLAUSE, Cut.CLAUSE, Cut.CLAUSE]
    run = pieces([said(" Yes no. But", 0), said(" so", 3)], split_text=True)
    assert cuts(run) == [Cut.WORD, Cut.SENTENCE, Cut.CLAUSE, Cut.CLAUSE]


SECONDS = st.floats(0, 1e5)
SPEAKERS = st.sampled_from([None, "A", "B"])
TEXTS = st.one_of(st.sampled_from([" the", " a.", ",", "”", "", " ", "天", "。"]), st.text(max_size=8))
SEGMENTS = st.lists(
    st.builds(
        lambda text, start, end, words, speaker: AsrSegment(
            text=text, time_interval=TimeInterval(start=start, end=end), words=words, speaker=speaker
        ),
        st.text(max_size=20),
        SECONDS,
        SECONDS,
        st.lists(st.builds(word, TEXTS, SECONDS, SECONDS, SPEAKERS), max_size=8),
        SPEAKERS,
    ),
    max_size=4,
)
STEPS = st.lists(st.tuples(TEXTS, st.floats(0, 5), st.floats(0, 5), SPEAKERS), min_size=1, max_size=20)


# The machine may be busy with other things.
unhurried = settings(deadline=None)


class TestWhateverComesIn:
    @unhurried
    @given(SEGMENTS, st.floats(0.1, 100), st.floats(0, 10))
    def test_every_word_comes_out_once_in_order_and_unchanged(
        self, segments: list[AsrSegment], max_seconds: float, max_gap_s: float
    ) -> None:
        found = paragraphs(segments, max_seconds=max_seconds, max_gap_s=max_gap_s)
        given_words = [word for part in segments for word in part.words]
        words = [word for part in found for word in part.words]
        assert len(words) == len(given_words)
        assert all(one is other for one, other in zip(words, given_words, strict=True))

    @unhurried
    @given(SEGMENTS)
    def test_no_text_is_lost(self, segments: list[AsrSegment]) -> None:
        found = paragraphs(segments)
        assert letters(found) == letters(segments)
        assert letters(paragraphs(found)) == letters(segments)

    @unhurried
    @given(SEGMENTS)
    def test_a_paragraph_has_one_speaker_and_reads_back(self, segments: list[AsrSegment]) -> None:
        for found in paragraphs(segments):
            assert all(word.speaker in (None, found.speaker) for word in found.words)
            assert AsrSegment.model_validate_json(found.model_dump_json()) == found

    @unhurried
    @given(STEPS, st.floats(0.1, 20), st.floats(0, 5))
    def test_lengths_are_kept(
        self, steps: list[tuple[str, float, float, str | None]], max_seconds: float, max_gap_s: float
    ) -> None:
        words = []
        clock = 0.0
        for text, pause, length, speaker in steps:
            words.append(word(text, clock + pause, clock + pause + length, speaker))
            clock += pause + length
        for found in paragraphs([segment(*words)], max_seconds=max_seconds, max_gap_s=max_gap_s):
            assert len(found.words) == 1 or found.time_interval.duration <= max_seconds
            for one, other in zip(found.words, found.words[1:], strict=False):
                assert other.time_interval.start - one.time_interval.end <= max_gap_s

    @unhurried
    @given(SEGMENTS)
    def test_cues_of_paragraphs_have_the_same_words(self, segments: list[AsrSegment]) -> None:
        def words(parts: list[AsrSegment]) -> list[AsrWord]:
            return [word for cue in cues(parts) for word in cue.words]

        assert words(paragraphs(segments)) == words(segments)


def letters(segments: list[AsrSegment]) -> str:
    """Return all text without its white space; words count more than the text of their segment."""
    return "".join(
        "".join(
            "".join(word.word for word in part.words)
            if any(word.word.strip() for word in part.words)
            else part.text
            for part in segments
        ).split()
    )
