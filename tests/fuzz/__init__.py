"""Input that nobody would send by intent, unless to do harm."""

import os

INPUTS = int(os.environ.get("TRIOLOGUE_FUZZ_INPUTS", "100"))
"""How many inputs of each kind are tried: in every run few, and on demand many."""
