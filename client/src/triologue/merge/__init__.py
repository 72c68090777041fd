"""The merge: a transcript and the speaker turns of one recording become a diarized transcript.

Pure functions over the frozen wire models. No input is changed, and no word is lost, doubled or moved.
"""

from triologue.merge.process import PostProcessingForDiarizedAsr, attribute, with_speakers
from triologue.merge.turns import join_touching_turns

__all__ = ["PostProcessingForDiarizedAsr", "attribute", "join_touching_turns", "with_speakers"]
