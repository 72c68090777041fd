"""What callers send, and what they are told, is in no line of the server's output and in no file."""

import base64
import re

import pytest

from tests.server.observed import LANGUAGE, MARKS, Observed

FONTS = ("XDG_CACHE_HOME", "matplotlib")
"""Where the fonts of the machine are listed, which nobody asks for."""


def test_the_callers_were_told_what_must_be_told_to_nobody_else(observed: Observed) -> None:
    assert all("New Jersey" in transcript for transcript in observed.transcripts)
    assert sum(LANGUAGE in refusal for refusal in observed.refusals) == 2
    assert any("diarized_asr_stream" in line for line in observed.output)


def test_no_words_of_a_transcript_are_in_the_output(observed: Observed) -> None:
    said = [words(transcript) for transcript in observed.transcripts]
    threes = {" ".join(spoken[at : at + 3]) for spoken in said for at in range(len(spoken) - 2)}
    assert len(threes) > 20
    for line in observed.output:
        shown = f" {' '.join(words(line))} "
        assert [three for three in threes if f" {three} " in shown] == []


def test_no_words_of_a_callers_options_are_in_the_output(observed: Observed) -> None:
    for line in observed.output:
        assert [mark for mark in MARKS if mark in line.lower()] == []


def test_neither_is_in_the_traces(observed: Observed) -> None:
    said = {word for transcript in observed.transcripts for word in words(transcript) if len(word) > 5}
    assert len(said) > 5
    assert len(observed.spans) > 50
    for span in observed.spans:
        shown = words(span.text)
        assert said.intersection(shown) == set()
        assert [mark for mark in MARKS if mark in span.text.lower()] == []


def test_no_part_of_a_recording_is_in_the_output(observed: Observed) -> None:
    output = "\n".join(observed.output)
    shown = {output[at : at + 16] for at in range(len(output) - 15)}
    for text in (
        observed.upload.decode("utf-8", "replace"),
        observed.upload.decode("latin-1"),
        *(base64.b64encode(observed.upload[skip:]).decode() for skip in range(3)),
        observed.upload.hex(),
    ):
        pieces = {text[at : at + 16] for at in range(0, len(text) - 15, 16)}
        telling = {piece for piece in pieces if len(set(piece)) > 4}  # silence looks like much else
        assert len(telling) > 1_000
        assert telling & shown == set()


def test_no_file_appears_or_changes(observed: Observed) -> None:
    ready, served = observed.files
    assert served == ready


def test_no_library_keeps_or_sends_anything(observed: Observed) -> None:
    """What one of them is to tell to its makers waits in the home of the user, or in the cache there."""
    kept = [path.relative_to(observed.folder).parts for path in observed.files[-1]]
    assert {(folder, of_whom) for folder, of_whom, *_ in kept if folder != "TMPDIR"} <= {FONTS}


def test_no_byte_goes_to_a_disk(observed: Observed) -> None:
    """Wherever the file may lie, and though it be removed again."""
    ready, served = observed.written
    if None in ready.values():
        pytest.skip("this kernel does not tell what processes write")
    assert served == ready


def test_what_lies_in_shared_memory_goes_with_the_server(observed: Observed) -> None:
    served, stopped = observed.shared_memory
    assert len(served) > 0
    assert stopped == set()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
