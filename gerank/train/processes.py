"""Several processes that train one run: who they are, and what they tell each other.

torchrun starts them, and every one runs the whole of `gerank.train.train`: it splits the same log,
draws the same parameters and the same batches from the same seeds, and comes to the same choices.
What differs is which pages of a batch a process looks at (`gerank.train.batch_parts`), and that the
first process alone writes files. So whatever is exchanged is exchanged by all, in the same order.

Without `joined` a process is alone, and nothing here touches torch.distributed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, distributed

from gerank.train.launch import Launch

if TYPE_CHECKING:  # a torch without distributed training has no such module
    from torch.distributed.distributed_c10d import Store

LONGEST_WAIT = timedelta(minutes=30)
"""A process that does not hear from the others for so long ends."""
_TIME_TO_TELL_S = 10.0
"""torchrun ends all processes when one ends: who has nothing to tell lets the other speak first."""

T = TypeVar("T")


class ProcessesError(RuntimeError):
    """Processes that cannot go on together; the message says which and why."""


@dataclass
class Processes:
    """The processes of a run, as one of them sees them; one that is alone is the first of one.

    Attributes:
        rank: Which of them this process is, from 0.
        size: How many there are.
        stands_in: Whether this process looks at a page that is another's, since it has none of its
            own: then it takes part in all exchanges, and adds nothing.
    """

    rank: int = 0
    size: int = 1
    stands_in: bool = False

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and talks to people."""
        return self.rank == 0

    @contextlib.contextmanager
    def standing_in(self, stands_in: bool) -> Iterator[None]:
        """Sets `stands_in` for a while."""
        before, self.stands_in = self.stands_in, stands_in
        try:
            yield
        finally:
            self.stands_in = before

    def summed(self, values: Tensor) -> Tensor:
        """The sum of what all processes have, those that stand in left out; alone: `values`."""
        if self.size == 1:
            return values
        total = torch.zeros_like(values) if self.stands_in else values.clone()
        self.add_up(total)
        return total

    def add_up(self, total: Tensor) -> None:
        """Adds to `total`, in place, what the other processes have."""
        with self._exchange():
            distributed.all_reduce(total)

    def gathered(self, values: Tensor, dim: int, counts: Sequence[int]) -> Tensor:
        """What all processes have, one behind the other along an axis; alone: `values`.

        Args:
            values: What this one has.
            dim: The axis.
            counts: How long the axis is in each process.
        """
        if self.size == 1:
            return values
        own = values.movedim(dim, 0)
        padded = own.new_zeros((max(counts), *own.shape[1:]))
        padded[: len(own)] = own
        everywhere = [torch.empty_like(padded) for _ in counts]
        with self._exchange():
            distributed.all_gather(everywhere, padded)
        parts = [part[:count] for part, count in zip(everywhere, counts, strict=True)]
        return torch.cat(parts).movedim(0, dim)

    def all_told(self, value: T) -> list[T]:
        """What every process says, by rank: plain values."""
        if self.size == 1:
            return [value]
        told: list[Any] = [None] * self.size
        with self._exchange():
            distributed.all_gather_object(told, value)
        return told

    def told_by_first(self, work: Callable[[], T]) -> T:
        """What `work` answers in the first process, which alone does it; the others wait for it.

        It begins when all have come here, so that no process looks for a file too late. Where it
        fails, the first process ends of that, and the others of its end.
        """
        if self.size == 1:
            return work()
        self.add_up(torch.zeros(1))
        told: list[Any] = [None]
        if self.is_first:
            with alone():
                told[0] = work()
        with self._exchange():
            distributed.broadcast_object_list(told)
        answer: T = told[0]
        return answer

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[None]:
        """Says in plain words that an exchange failed.

        Raises:
            ProcessesError: Another process has ended, or was silent for too long.
        """
        try:
            yield
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ProcessesError(
                f"process {self.rank} of {self.size} no longer hears from the others, and ends: "
                f"{reason}"
            ) from error


_current = Processes()


def current() -> Processes:
    """The processes that work together now."""
    return _current


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within it a process works by itself, as if there were no others."""
    with _as_current(Processes()):
        yield


@contextlib.contextmanager
def joined(longest_wait: timedelta = LONGEST_WAIT) -> Iterator[Processes]:
    """Within it, the processes that torchrun started work together; gloo on CPUs, NCCL on GPUs.

    A process that torchrun did not start, or that has no others, stays alone.

    An error is told once: the process that fails first lets it go on, and those that fail because
    of that end without a word, by SystemExit.

    Args:
        longest_wait: How long a process may hear nothing from the others before it ends.
    """
    launch = Launch.of_this_process()
    if launch is None or launch.processes == 1:
        yield current()
        return
    # Default arguments of this module name the group that is there when it is imported, which the
    # first step of an optimizer does: they would keep the group, and with it threads that can abort
    # the process when Python ends.
    import torch.distributed.nn.functional  # noqa: F401
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    found, rank, size = next(rendezvous("env://", timeout=longest_wait))
    store = PrefixStore(f"gerank, restart {launch.restarts}", found)
    distributed.init_process_group(
        _backend(),
        store=store,
        rank=rank,
        world_size=size,
        timeout=longest_wait,
    )
    try:
        with _as_current(Processes(rank, size)) as processes:
            yield processes
    except Exception as error:
        if not _is_first_to_tell(store):
            time.sleep(_TIME_TO_TELL_S)
            raise SystemExit(1) from error
        raise
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def _as_current(processes: Processes) -> Iterator[Processes]:
    global _current
    before, _current = _current, processes
    try:
        yield processes
    finally:
        _current = before


def _backend() -> str:
    """Tensors of a GPU go by NCCL where it is to be had, and all others by gloo."""
    if torch.cuda.is_available() and distributed.is_nccl_available():
        return "cpu:gloo,cuda:nccl"
    return "gloo"


def _is_first_to_tell(store: Store) -> bool:
    """Whether no other process has told an error yet; True where that is not to be known."""
    try:
        return bool(store.add("told an error", 1) == 1)
    except RuntimeError:
        return True
