"""What is refused before Ray is started; tests/server/test_batch.py has the rest."""

from functools import partial

import pytest

from triologue import Client
from triologue.batch import Plan, on_ray


def test_processes_have_to_share_the_place() -> None:
    with pytest.raises(ValueError, match="memory://out: each of Ray's processes has a memory of its own"):
        on_ray([], Plan("memory://out"), partial(Client, "grpc://127.0.0.1:1"))


def test_a_job_at_least() -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        on_ray([], Plan("memory://out"), partial(Client, "grpc://127.0.0.1:1"), jobs=0)
