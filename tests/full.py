"""Tests that take long, and tell little that shorter ones do not: `make test-full` runs them."""

import os

import pytest

IS_FULL = "TRIOLOGUE_FULL_TESTS" in os.environ

full = pytest.mark.skipif(not IS_FULL, reason="of make test-full")
