"""Which pages of a batch a process looks at, and how many of them at once."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gerank.train.processes import current

Places = NDArray[np.int64]


class BatchPart(NamedTuple):
    """Neighbours in a batch of pages.

    Attributes:
        places: Which pages they are, as the batch tells them.
        first: Where in the batch they begin.
        whole: How many pages the batch has.
        counts: False where they are no part at all: a batch of fewer pages than processes has none
            for some, and its first page stands in, so that each has one to look at.
    """

    places: Places
    first: int
    whole: int
    counts: bool = True

    @property
    def within(self) -> slice:
        """Where the pages stand in what belongs to the batch."""
        return slice(self.first, self.first + len(self.places))

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole batch."""
        return len(self.places) == self.whole

    @property
    def weight(self) -> float:
        """Its share of the batch: means over parts, weighed with it, add up to the batch's mean."""
        return len(self.places) / self.whole if self.counts else 0.0

    def split(self, count: int) -> list[BatchPart]:
        """The same pages in `count` parts that differ by a page at most, or one by one if fewer."""
        if not self.counts:
            return [self]
        return [
            BatchPart(self.places[begin:end], self.first + begin, self.whole)
            for begin, end in filled_bounds(len(self.places), count)
        ]


def part_bounds(pages: int, count: int) -> list[tuple[int, int]]:
    """Where each of `count` parts of so many pages begins and ends; parts may be empty."""
    cuts = [pages * part // count for part in range(count + 1)]
    return list(itertools.pairwise(cuts))


def filled_bounds(pages: int, count: int) -> list[tuple[int, int]]:
    """The same, but in parts of which none is empty: there are as many as pages, at most."""
    return part_bounds(pages, min(count, pages)) if pages else []


def own_part(batch: Places) -> BatchPart:
    """The part of a batch that this process looks at; alone, it is the whole batch."""
    processes = current()
    begin, end = part_bounds(len(batch), processes.size)[processes.rank]
    if begin == end:
        return BatchPart(batch[:1], 0, len(batch), counts=False)
    return BatchPart(batch[begin:end], begin, len(batch))
