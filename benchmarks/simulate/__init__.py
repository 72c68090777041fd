"""Conversations of any length whose truth is exact, made out of utterances of single speakers."""

from benchmarks.simulate.conversation import Conversation, Turn, simulate
from benchmarks.simulate.utterances import Utterance, load

__all__ = ["Conversation", "Turn", "Utterance", "load", "simulate"]
