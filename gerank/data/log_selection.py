"""Some pages of a log as a log of their own, column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.column_store import ColumnStore
from gerank.data.flat_lists import ranges
from gerank.data.mapped_texts import MappedTexts
from gerank.data.texts import TextColumn

_PAGES_AT_ONCE = 16_384


class Selection:
    """Copies of columns at the pages `rows`, in a store of their own.

    Attributes:
        store: Where the copies lie; in memory where they fit into the budget of the log's store.
    """

    def __init__(self, store: ColumnStore, rows: NDArray[np.int64], row_bytes: int) -> None:
        """`row_bytes`: what a page takes on average."""
        small = store.budget is None or len(rows) * row_bytes <= store.budget
        self.store = ColumnStore(None if small else store.budget)
        self._source, self._rows = store, rows
        self._step = max(1, len(rows)) if store.budget is None else _PAGES_AT_ONCE

    def of_pages(self, values: Any) -> Any:
        """A column with a value per page, at the rows."""
        return self._copied(values, len(self._rows), lambda some: some)

    def offsets(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """[R + 1] where the list of each selected page begins."""
        lengths = offsets[self._rows + 1] - offsets[self._rows]
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])

    def of_lists(self, values: Any, offsets: NDArray[np.int64]) -> Any:
        """A column of lists, which begin at `offsets` [E + 1], at the rows."""
        lengths = offsets[self._rows + 1] - offsets[self._rows]
        return self._copied(values, int(lengths.sum()), lambda some: ranges(offsets, some)[0])

    def _copied(
        self,
        values: Any,
        length: int,
        places_of: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    ) -> Any:
        if isinstance(values, MappedTexts):
            begins, ends = (self._filled(part, length, places_of) for part in values.bounds)
            return values.with_bounds(begins, ends)
        return self._filled(values, length, places_of)

    def _filled(
        self,
        values: NDArray[Any],
        length: int,
        places_of: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    ) -> NDArray[Any]:
        in_memory = values.dtype == np.object_
        copy = (
            np.empty(length, np.object_) if in_memory else self.store.column(length, values.dtype)
        )
        filled = 0
        for some in self._parts():
            places = places_of(some)
            copy[filled : filled + len(places)] = values[places]
            filled += len(places)
            self._source.release_memory()
            self.store.release_memory()
        return copy

    def _parts(self) -> Iterator[NDArray[np.int64]]:
        for first in range(0, len(self._rows), self._step):
            yield self._rows[first : first + self._step]


def window(values: TextColumn, part: slice) -> Any:
    """Neighbouring values of a column, which are not copied."""
    return values.at(part) if isinstance(values, MappedTexts) else values[part]
