"""An archive worked on by threads of this process: the server does the work, and they wait for it."""

from collections.abc import Callable, Generator, Iterable
from itertools import takewhile

from triologue.batch.manifest import Entry
from triologue.batch.place import Place
from triologue.batch.row import Row
from triologue.batch.worker import Plan, Worker
from triologue.client import Client
from triologue.many import check_concurrency, through_threads


def on_threads(
    entries: Iterable[Entry], plan: Plan, connect: Callable[[], Client], *, jobs: int = 1
) -> Generator[Row, None, None]:
    """Work on recordings, and yield a row for each as soon as it has ended.

    Entries are taken as there is room for them, and none once the server turned out to be of no use. Closing
    the iterator ends the calls under way; what is being written is written.

    Args:
        entries: The recordings.
        plan: What is wanted.
        connect: Returns the client.
        jobs: Recordings under way at once, at least 1.

    Raises:
        ImportError: An extra is not installed.
        OSError: The place cannot be reached or written to.
        ValueError: `jobs` is below 1.
    """
    check_concurrency(jobs)
    Place(plan.place).prepare()
    worker = Worker(plan, connect)
    wanted = takewhile(lambda _: not worker.is_stopped, entries)
    return through_threads(worker, wanted, jobs, ordered=False, abort=worker.close)
