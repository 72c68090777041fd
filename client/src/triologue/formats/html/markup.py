"""The parts of a page that are made of a result."""

import html
import json
from collections.abc import Sequence
from typing import NamedTuple

from triologue.layout.cues import cues
from triologue.layout.paragraphs import paragraphs
from triologue.schema.asr import AsrSegment, AsrWord
from triologue.schema.results import DiarizedResult, Result, TranscriptionResult

UNSURE_WORD, UNSURE_SPEAKER = 0.5, 0.8
"""Confidences below these are marked."""
PALETTE = 8
"""Colours of speakers in the style; further speakers take them again."""
LANE = 10
"""Height of a speaker's part of the timeline, in its own unit."""


def escaped(text: str) -> str:
    """Return text as it may stand in an element or in an attribute."""
    return html.escape(text, quote=True)


def clock(seconds: float) -> str:
    """Return h:mm:ss, or m:ss."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def heading(result: Result) -> str:
    """Return what is known of the recording, in a line."""
    parts = [clock(result.audio.duration)]
    if isinstance(result, TranscriptionResult):
        parts.append(f"language {result.transcription_info.language}")
    if found := len(speakers_of(result)):
        parts.append("1 speaker" if found == 1 else f"{found} speakers")
    return escaped(" · ".join(parts))


class Speaker(NamedTuple):
    """One who speaks in the recording."""

    name: str
    """The label or the name."""
    seconds: float
    """For how long they speak, in seconds."""


def speakers_of(result: Result) -> list[Speaker]:
    """Return the speakers, in the order in which they first speak."""
    spoken: dict[str, float] = {}
    if isinstance(result, DiarizedResult):
        for turn in result.turns:
            spoken[turn.speaker] = spoken.get(turn.speaker, 0.0) + turn.time_interval.duration
    if isinstance(result, TranscriptionResult):
        for segment in result.segments:
            if segment.speaker is not None:
                spoken.setdefault(segment.speaker, 0.0)
    return [Speaker(*item) for item in spoken.items()]


def legend(result: Result) -> str:
    """Return a list of the speakers, with fields for their names."""
    found = speakers_of(result)
    total = sum(speaker.seconds for speaker in found) or 1.0
    return "".join(
        f'<li class="c{at % PALETTE}"><span class="swatch" aria-hidden="true"></span>'
        f'<input class="rename" data-speaker="{at}" value="{escaped(name)}" maxlength="200" '
        f'spellcheck="false" aria-label="Name of {escaped(name)}"> '
        f'<span class="share">{seconds / total:.0%}, {clock(seconds)}</span></li>'
        for at, (name, seconds) in enumerate(found)
    )


def timeline(result: Result) -> str:
    """Return a lane for each speaker, with a bar for each turn."""
    if not isinstance(result, DiarizedResult):
        return ""
    found = speakers_of(result)
    lanes: dict[str, list[str]] = {speaker.name: [] for speaker in found}
    for turn in result.turns:
        start, length = turn.time_interval.start, turn.time_interval.duration
        lanes[turn.speaker].append(f'<rect x="{start:.2f}" y="1" width="{length:.2f}" height="{LANE - 2}"/>')
    width = result.audio.duration or 1.0
    return "".join(
        f'<div class="lane c{at % PALETTE}"><span class="name" data-speaker="{at}">{escaped(name)}</span>'
        f'<svg viewBox="0 0 {width:.2f} {LANE}" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(bars)}</svg></div>"
        for at, (name, bars) in enumerate(lanes.items())
    )


def transcript(result: Result) -> str:
    """Return paragraphs of words, or the turns of a diarization."""
    numbers = {speaker.name: at for at, speaker in enumerate(speakers_of(result))}
    if isinstance(result, TranscriptionResult):
        blocks = [_paragraph(said, numbers) for said in paragraphs(result.segments)]
    elif isinstance(result, DiarizedResult):
        blocks = [
            _block(
                turn.time_interval.start,
                numbers[turn.speaker],
                turn.speaker,
                f'<span class="until">until {clock(turn.time_interval.end)}</span>',
            )
            for turn in result.turns
        ]
    else:
        blocks = []
    return "\n".join(blocks) or '<p class="nothing">Nobody speaks in this recording.</p>'


def data(result: Result, title: str) -> str:
    """Return what the script needs and the page does not show, as JSON that may stand in a page."""
    shown = {
        "title": title,
        "duration": result.audio.duration,
        "speakers": [speaker.name for speaker in speakers_of(result)],
        "cues": _cues(result),
        "result": result.model_dump(mode="json"),
    }
    text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    # Nothing in it may end the element that it is in, or begin a comment.
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _cues(result: Result) -> list[tuple[float, float, str | None, str]]:
    if isinstance(result, TranscriptionResult):
        return [
            (round(cue.start, 3), round(cue.end, 3), cue.speaker, "\n".join(cue.lines))
            for cue in cues(result.segments)
            if cue.lines
        ]
    turns = result.turns if isinstance(result, DiarizedResult) else []
    return [(turn.time_interval.start, turn.time_interval.end, turn.speaker, "") for turn in turns]


def _paragraph(said: AsrSegment, numbers: dict[str, int]) -> str:
    number = None if said.speaker is None else numbers[said.speaker]
    words: Sequence[AsrWord] = said.words
    text = "".join(map(_word, words)) if words else _span(said, said.text, [], [])
    return _block(said.time_interval.start, number, said.speaker, text)


def _word(word: AsrWord) -> str:
    marks, notes = [], []
    if word.alignment_confidence < UNSURE_WORD:
        marks.append("unsure")
        notes.append(f"{word.alignment_confidence:.0%} certain")
    if word.speaker_confidence is not None and word.speaker_confidence < UNSURE_SPEAKER:
        marks.append("whose")
        notes.append(f"speaker {word.speaker_confidence:.0%} certain")
    if word.overlapped:
        marks.append("overlapped")
        notes.append("several speak")
    return _span(word, word.word, marks, notes)


def _span(said: AsrWord | AsrSegment, text: str, marks: list[str], notes: list[str]) -> str:
    """Return a word that can be found by its time; the space before it stays outside."""
    bare = text.lstrip()
    space = " " if len(bare) < len(text) else ""
    times = f"{said.time_interval.start:.2f} {said.time_interval.end:.2f}"
    note = f' title="{", ".join(notes)}"' if notes else ""
    return f'{space}<span class="{" ".join(["w", *marks])}" data-t="{times}"{note}>{escaped(bare)}</span>'


def _block(start: float, number: int | None, speaker: str | None, text: str) -> str:
    who = ""
    if speaker is not None:
        who = f'<span class="name" data-speaker="{number}">{escaped(speaker)}</span>'
    colour = "" if number is None else f" c{number % PALETTE}"
    return (
        f'<article class="said{colour}"><h3>{who}<button type="button" class="at" data-at="{start:.2f}" '
        f'aria-label="Play from {clock(start)}">{clock(start)}</button></h3><p>{text}</p></article>'
    )
