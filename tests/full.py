"""Tests that take long, and tell little that shorter ones do not: `make test-full` runs them."""

import os

import pytest

IS_FULL = "TRIOLOGUE_FULL_TESTS" in os.environ

full = pytest.mark.skipif(not IS_FULL, reason="of make test-full")


def full_over(name: str, *others: str, always: str) -> pytest.MarkDecorator:
    """Run a test with one value of a fixture, and with the others in `make test-full`."""
    values = [always, *(pytest.param(other, marks=full) for other in others)]
    return pytest.mark.parametrize(name, values, indirect=True)
