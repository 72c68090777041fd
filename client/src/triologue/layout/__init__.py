"""The words of a transcript laid out anew: paragraphs for reading, cues for subtitles.

Pure functions over the frozen wire models. No input is changed, and no word is lost, doubled or moved.
"""
