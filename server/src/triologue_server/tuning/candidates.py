"""What may be set about a core, and which values of it are worth a measurement on a machine.

On a CPU what counts is how the threads are divided among instances and workers, each of whom works on a call
of its own; batches may pay for large models alone. On a GPU what counts is the size of a batch, and how many
of them there are at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

_MOST_INSTANCES = 32
_MOST_ON_GPU = (1, 2, 4)  # of instances, and of workers
_LARGEST_BATCH = 128
_LARGEST_BATCH_ON_CPU = 8
_COARSER = 1.5  # values of an axis that are nearer to each other than this are not told apart


@dataclass(frozen=True)
class Candidate:
    """One way to run a core."""

    instances: int
    """Processes, on each of its GPUs."""
    workers: int
    """Calls, or on a GPU batches, that an instance works on side by side."""
    threads: int
    """CPU threads, shared by the instances."""
    max_batch_size: int
    """Calls joined into one execution at most."""

    @property
    def share(self) -> int:
        """CPU threads of each instance."""
        return max(1, self.threads // self.instances)

    def __str__(self) -> str:
        return (
            f"instances {self.instances}, workers {self.workers}, threads {self.threads}, "
            f"batch {self.max_batch_size}"
        )


@dataclass(frozen=True)
class Direction:
    """A step along one axis of a space."""

    axis: str
    """Name of a field of `Candidate`."""
    up: bool
    """Whether to the next higher value, or to the next lower one."""


@dataclass(frozen=True)
class Space:
    """The candidates of a core on a machine."""

    axes: Mapping[str, Sequence[int]]
    """Values of the fields of `Candidate` in ascending order; fields without any keep theirs."""
    on_gpu: bool
    """Whether the core computes on GPUs."""
    has_workers: bool
    """Whether the number of workers may be set; else it is one for each thread on a CPU, and one on a GPU."""

    def steps(self, candidate: Candidate) -> Iterator[tuple[Direction, Candidate]]:
        """Yield the candidates next to one, along each axis in both directions."""
        for direction in (Direction(axis, up) for axis in self.axes for up in (True, False)):
            stepped = self._step(candidate, direction)
            if stepped is not None and self._is_sensible(stepped):
                yield direction, stepped

    def tidy(self, candidate: Candidate) -> Candidate:
        """Return what a candidate comes to: each worker has a thread of its own at least."""
        by_default = 1 if self.on_gpu else candidate.share
        workers = candidate.workers if self.has_workers else 0
        return replace(candidate, workers=min(workers or by_default, candidate.share))

    def least(self, candidate: Candidate) -> Candidate:
        """Return the candidate that takes the least memory, with the threads of another."""
        return self.tidy(replace(candidate, instances=1, workers=1, max_batch_size=1))

    def at_once(self, candidate: Candidate) -> int:
        """Return how many calls are under way when the core has all that it can do, on each of its GPUs.

        That is a batch in work for each worker and the next one waiting, as the conductor has it; on a CPU,
        where each call is by itself, none waits.
        """
        calls = candidate.instances * candidate.workers * candidate.max_batch_size
        return calls if not self.on_gpu and candidate.max_batch_size == 1 else 2 * calls

    def _is_sensible(self, candidate: Candidate) -> bool:
        if self.on_gpu:
            return candidate.instances * candidate.max_batch_size <= _LARGEST_BATCH
        return candidate.instances <= candidate.threads

    def _step(self, candidate: Candidate, direction: Direction) -> Candidate | None:
        value = getattr(candidate, direction.axis)
        values = self.axes[direction.axis]
        if direction.up:
            further = min((other for other in values if other > value), default=None)
        else:
            further = max((other for other in values if other < value), default=None)
        if further is None:
            return None
        stepped = self.tidy(self._changed(candidate, direction.axis, further))
        return None if stepped == candidate else stepped

    def _changed(self, candidate: Candidate, axis: str, value: int) -> Candidate:
        changed = replace(candidate, **{axis: value})
        if axis == "threads":
            # Each worker has as many of them as before, as far as that goes.
            workers = max(1, candidate.workers * value // candidate.threads)
            return replace(changed, workers=workers, instances=min(candidate.instances, value))
        if axis == "instances" and self.on_gpu:
            # As many calls at once as before, or they would only wait for longer.
            batch = candidate.instances * candidate.max_batch_size // value
            return replace(changed, max_batch_size=max(1, batch))
        return changed


def cpu_space(threads: int, cores: int, *, has_workers: bool, may_set_threads: bool) -> Space:
    """Return the candidates of a core on a CPU.

    Args:
        threads: Threads that the processor runs at once, and this process may use.
        cores: Physical cores among them: where two threads share one, half as many may be faster.
        has_workers: Whether the number of workers, and the size of batches, may be set.
        may_set_threads: Whether the number of threads is the core's to choose.
    """
    axes: dict[str, Sequence[int]] = {}
    if has_workers:
        axes["workers"] = _divisors(threads)
        axes["max_batch_size"] = _doubling(_LARGEST_BATCH_ON_CPU)
    axes["instances"] = [instances for instances in _divisors(threads) if instances <= _MOST_INSTANCES]
    if may_set_threads and cores < threads:
        axes["threads"] = [cores, threads]
    return Space(axes, on_gpu=False, has_workers=has_workers)


def gpu_space(*, has_workers: bool) -> Space:
    """Return the candidates of a core on GPUs; how many there are does not matter to them.

    Args:
        has_workers: Whether the number of workers may be set.
    """
    axes: dict[str, Sequence[int]] = {"max_batch_size": _doubling(_LARGEST_BATCH)}
    if has_workers:
        axes["workers"] = _MOST_ON_GPU
    axes["instances"] = _MOST_ON_GPU
    return Space(axes, on_gpu=True, has_workers=has_workers)


def rule_of_thumb(space: Space, candidate: Candidate) -> Candidate:
    """Return a candidate to start from besides what is set: on a CPU one instance, a worker for each thread.

    On a machine with many cores the way there is long.
    """
    if space.on_gpu:
        return candidate
    return space.tidy(replace(candidate, instances=1, workers=0))


def _doubling(most: int) -> list[int]:
    return [2**power for power in range(most.bit_length())]


def _divisors(number: int) -> list[int]:
    """Return divisors of a number, the number among them, with none too near to another."""
    kept: list[int] = []
    for divisor in range(1, number + 1):
        if number % divisor == 0 and (not kept or divisor >= _COARSER * kept[-1]):
            kept.append(divisor)
    return kept if kept[-1] == number else [*kept[:-1], number]
