"""A column of texts that need not lie in memory: the bytes of all, and where each begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class MappedTexts:
    """[E] texts, made into Python strings when they are asked for.

    It stands where an array of strings stands: it has a length and a shape, is indexed by an
    integer, a slice, integers or a mask, and becomes an array by `numpy.asarray`.
    """

    dtype = np.dtype(np.object_)

    def __init__(
        self, data: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> None:
        """Texts that lie in UTF-8 at `data[begins[i]:ends[i]]`."""
        self._data, self._begins, self._ends = data, begins, ends

    @property
    def shape(self) -> tuple[int]:
        """(E,)."""
        return (len(self._begins),)

    def __len__(self) -> int:
        return len(self._begins)

    def __iter__(self) -> Iterator[str]:
        for begin, end in zip(self._begins.tolist(), self._ends.tolist(), strict=True):
            yield self._data[begin:end].tobytes().decode()

    def __getitem__(self, places: Any) -> Any:
        """A text for an integer, an array of texts for anything else."""
        begins, ends = self._begins[places], self._ends[places]
        if np.ndim(begins) == 0:
            return self._data[begins:ends].tobytes().decode()
        return np.fromiter(MappedTexts(self._data, begins, ends), np.object_)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        texts = np.fromiter(self, np.object_, len(self))
        return texts if dtype is None else texts.astype(dtype)

    def tolist(self) -> list[str]:
        """All texts."""
        return list(self)

    def at(self, places: NDArray[np.int64] | slice) -> MappedTexts:
        """The texts at `places`, which share their bytes with these."""
        return self.with_bounds(self._begins[places], self._ends[places])

    @property
    def bounds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """[E] where the bytes of each text begin, and [E] where they end."""
        return self._begins, self._ends

    def with_bounds(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> MappedTexts:
        """Other texts of the same bytes."""
        return MappedTexts(self._data, begins, ends)
