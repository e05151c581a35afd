"""Pages in batches of like length: nothing is padded to the longest page of a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.train.batch_parts import Places, own_part, part_bounds
from gerank.train.processes import current

_BATCHES_OF_A_WINDOW = 16
_PAGES_OF_A_BLOCK, _BLOCKS_OF_A_WINDOW = 256, 64
_MIXED_CANDIDATES = 1 << 15
"""A training batch of so many candidates, its padding counted, is small in any case."""


def length_classes(lengths: NDArray[np.int64]) -> list[Places]:
    """Places of pages by length, each class with the order of `lengths`: at most half is padding.

    The first class has the lengths above half of the longest, the next those above a quarter, and
    so on; a class without pages is left out.
    """
    if not len(lengths):
        return []
    halvings = np.floor(np.log2(lengths.max() / lengths)).astype(np.int64)
    return [np.flatnonzero(halvings == number) for number in np.unique(halvings)]


def at_most(rows: NDArray[np.int64], most: int = 100_000) -> NDArray[np.int64]:
    """`rows`, or `most` of them at even distances where there are more: enough for a statistic."""
    if len(rows) <= most:
        return rows
    chosen: NDArray[np.int64] = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    return chosen


class PageBatches:
    """The pages `rows` of a log in shuffled batches, each of pages of like length.

    Where batches are small enough in any case, they mix all lengths: a gradient of pages of one
    length says less of the log, and nothing would be saved.

    A batch is told by places in `rows`. Every page comes once in an epoch. Where a log
    lies in files, pages that are near each other in it come near each other in an epoch, too:
    blocks of neighbours are shuffled, and the pages of some blocks among each other.
    """

    def __init__(self, log: ExposureLog, rows: NDArray[np.int64], size: int) -> None:
        """Batches of `size` pages; the last one of each class of lengths may be smaller."""
        lengths = np.diff(log.candidate_offsets)[rows]
        mixed = size * lengths.max(initial=1) <= _MIXED_CANDIDATES
        self._classes = [np.arange(len(rows))] if mixed else length_classes(lengths)
        self._size, self._is_mapped = size, log.store.is_mapped

    def __len__(self) -> int:
        """Batches of an epoch."""
        return sum(-(-len(members) // self._size) for members in self._classes)

    @property
    def mean_size(self) -> float:
        """Pages of a batch, on average over an epoch."""
        return sum(map(len, self._classes)) / max(1, len(self))

    def epoch(self, seed: int) -> Iterator[Places]:
        """Every page once."""
        yield from self._one_epoch(seed, keep_rest=True)

    def endless(self, seed: int) -> Iterator[Places]:
        """Epochs without end; a class with more than a batch leaves its rest to the next epoch."""
        draw = 0
        while True:
            yield from self._one_epoch(seed * 1009 + draw, keep_rest=False)
            draw += 1

    def share(self, batch: Places) -> float:
        """How much a batch counts: a full one 1, a smaller one as much less as it has fewer pages.

        With it every page has the same weight in training, in whatever batch it is. Where a log has
        fewer pages than a batch could have, they are the full batch.
        """
        pages = sum(map(len, self._classes))
        return len(batch) / min(self._size, pages)

    def _one_epoch(self, seed: int, *, keep_rest: bool) -> Iterator[Places]:
        rng = np.random.default_rng(seed)
        queues = [
            _cut(self._shuffled(members, rng), self._size, keep_rest) for members in self._classes
        ]
        turns = np.repeat(np.arange(len(queues)), [len(queue) for queue in queues])
        if len(queues) > 1:
            turns = rng.permutation(turns)
        waiting = [iter(queue) for queue in queues]
        for turn in turns.tolist():
            yield next(waiting[turn])

    def _shuffled(self, members: Places, rng: np.random.Generator) -> Places:
        if not self._is_mapped or len(members) <= _PAGES_OF_A_BLOCK * _BLOCKS_OF_A_WINDOW:
            return rng.permutation(members)
        blocks = [
            members[first : first + _PAGES_OF_A_BLOCK]
            for first in range(0, len(members), _PAGES_OF_A_BLOCK)
        ]
        order = rng.permutation(len(blocks))
        windows = [
            np.concatenate([blocks[block] for block in order[first : first + _BLOCKS_OF_A_WINDOW]])
            for first in range(0, len(order), _BLOCKS_OF_A_WINDOW)
        ]
        return np.concatenate([rng.permutation(window) for window in windows])


def by_page(
    log: ExposureLog,
    rows: NDArray[np.int64],
    size: int,
    answer: Callable[[Places], tuple[Tensor, ...]],
    dim: int = 0,
    *,
    candidates: int | None = None,
) -> tuple[Tensor, ...]:
    """What `answer` says of pages, asked by batches of like length, in the order of `rows`.

    Where several processes train together, each asks about its part of every batch, and all get
    the answers of all.

    Args:
        log: The pages.
        rows: Which of them; at least one.
        size: Pages of a batch, at most.
        answer: Is given places in `rows`, and answers tensors with an axis of pages; they come
            back to the CPU.
        dim: That axis.
        candidates: Candidates of a batch with its padding, at most; None = as they come.
    """
    processes = current()
    places: list[list[Places]] = [[] for _ in range(processes.size)]
    answers = []
    for some in ordered_batches(log, rows, size, candidates):
        for asked, bounds in zip(places, part_bounds(len(some), processes.size), strict=True):
            asked.append(some[slice(*bounds)])
        answers.append(_own_answer(some, answer, dim))
    counts = [sum(map(len, asked)) for asked in places]
    order = np.concatenate([part for asked in places for part in asked])
    back = None if (np.diff(order) > 0).all() else torch.from_numpy(np.argsort(order))
    own = (torch.cat(parts, dim) for parts in zip(*answers, strict=True))
    joined = (processes.gathered(each, dim, counts) for each in own)
    return tuple(each if back is None else each.index_select(dim, back) for each in joined)


def _own_answer(
    batch: Places, answer: Callable[[Places], tuple[Tensor, ...]], dim: int
) -> tuple[Tensor, ...]:
    """What is said of this process's part of a batch, on the CPU; empty where it stands in."""
    part = own_part(batch)
    with current().standing_in(not part.counts):
        answers = [each.cpu() for each in answer(part.places)]
    return tuple(each if part.counts else each.narrow(dim, 0, 0) for each in answers)


def ordered_batches(
    log: ExposureLog, rows: NDArray[np.int64], size: int, candidates: int | None = None
) -> Iterator[Places]:
    """Batches of like length out of neighbouring pages, so that a log in files is read in order.

    It yields places in `rows`; the arguments are as in `by_page`.
    """
    lengths, step = np.diff(log.candidate_offsets)[rows], _BATCHES_OF_A_WINDOW * size
    for first in range(0, len(rows), step):
        for members in length_classes(lengths[first : first + step]):
            longest = int(lengths[first + members].max())
            most = size if candidates is None else max(1, min(size, candidates // longest))
            yield from _cut(first + members, most, keep_rest=True)


def _cut(places: Places, size: int, keep_rest: bool) -> list[Places]:
    """Batches of `size`; a rest is one as well where it is kept, or where there is no other."""
    batches = [places[first : first + size] for first in range(0, len(places), size)]
    if not keep_rest and len(batches) > 1 and len(batches[-1]) < size:
        batches.pop()
    return batches
