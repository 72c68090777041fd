"""An archive worked on by Ray Data: each job is an actor of a cluster, or of this machine."""

import json
import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from triologue.batch.errors import EngineError
from triologue.batch.files import extra, file_system
from triologue.batch.manifest import Entry
from triologue.batch.place import Place
from triologue.batch.row import Row
from triologue.batch.worker import Plan, Worker
from triologue.client import Client
from triologue.many import check_concurrency

if TYPE_CHECKING:
    from ray.data import Dataset

# A job waits for a server most of the time.
_CPUS = 0.1
# Below it each recording is a task of its own, so that its row is there as soon as it has ended.
_MOST_TASKS = 10_000


class _Job:
    """A worker as an actor of Ray's."""

    def __init__(self, plan: Plan, connect: Callable[[], Client]) -> None:
        self._work = Worker(plan, connect)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        done = asdict(self._work(Entry(**json.loads(row["entry"]))))
        # As text, since lines that say different things would be of different types.
        return done | {"metadata": json.dumps(done["metadata"])}


def on_ray(
    entries: Iterable[Entry], plan: Plan, connect: Callable[[], Client], *, jobs: int = 1
) -> "Dataset":
    """Return what comes of recordings as a dataset of Ray's, which works when it is gone through or written.

    Its columns are the fields of `Row`, with `metadata` as JSON text. A task that Ray makes again skips what
    is written, so results are there once. Once the server turned out to be of no use, recordings are not
    tried any more. Ray is started on this machine where it is not, or as `RAY_ADDRESS` says.

    Args:
        entries: The recordings, all of which go to Ray.
        plan: What is wanted. Ray's machines have to reach the place, and the recordings.
        connect: Returns the client: it is called by each job, where it runs.
        jobs: Recordings under way at once, each an actor; at least 1.

    Raises:
        ImportError: An extra is not installed.
        OSError: The place cannot be reached or written to.
        ValueError: `jobs` is below 1, or processes do not share the place.
    """
    check_concurrency(jobs)
    if "memory" in file_system(plan.place)[0].protocol:
        raise ValueError(f"{plan.place}: each of Ray's processes has a memory of its own")
    ray = _ray()
    place = Place(plan.place)
    place.prepare()
    # A relative path means something else to a process that runs elsewhere.
    plan = replace(plan, place=place.url)
    rows = [{"entry": json.dumps(asdict(entry), default=str)} for entry in entries]
    tasks = max(1, min(len(rows), _MOST_TASKS))
    given = ray.data.from_items(rows, override_num_blocks=tasks)
    pool = ray.data.ActorPoolStrategy(size=jobs)
    return given.map(_Job, fn_constructor_args=(plan, connect), compute=pool, num_cpus=_CPUS)


def rows_of(dataset: "Dataset") -> Generator[Row, None, None]:
    """Go through what comes of recordings, as each has ended.

    Raises:
        EngineError: Ray gave up.
    """
    from ray.exceptions import RayError

    try:
        # None is fetched ahead, or the row of one would be told when the next has ended.
        for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in table.to_pylist():
                yield Row(**{**row, "metadata": json.loads(row["metadata"])})
    except RayError as error:
        # Before its last line there is a traceback.
        raise EngineError(f"Ray gave up: {str(error).strip().splitlines()[-1]}") from error


@contextmanager
def running(address: str | None = None) -> Iterator[None]:
    """Have Ray run meanwhile, unless it does already.

    What is started here sends no usage data anywhere, and keeps to itself what it has to tell.

    Args:
        address: Of a cluster; `RAY_ADDRESS` or this machine when not given.

    Raises:
        ConnectionError: There is no cluster.
        ImportError: The extra `ray` is not installed.
    """
    # Its core writes to standard error, past any logger.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    # "local", since Ray by itself would take up any cluster that was last started on this machine.
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    ray.init(where, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    # Read when Ray starts.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with extra("ray"):
        import ray.data
    return ray
