"""Lists of different lengths, one after the other in a flat column, told apart by offsets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def checked_rows(rows: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Rows as integers, from integers in [0, count) or a mask [count] bool.

    Raises:
        IndexError: A row is outside the log.
    """
    rows = np.asarray(rows)
    if rows.dtype == np.bool_:
        rows = np.flatnonzero(rows)
    outside = (rows < 0) | (rows >= count)
    if outside.any():
        raise IndexError(f"row {rows[outside][0]} of a log of {count} pages")
    return rows.astype(np.int64)


def ranges(
    offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat places of the lists of `rows`, one after the other, and the offsets they then have."""
    lengths = offsets[rows + 1] - offsets[rows]
    fresh = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    return np.repeat(offsets[rows] - fresh[:-1], lengths) + np.arange(fresh[-1]), fresh


def padded(
    offsets: NDArray[np.int64], rows: NDArray[np.int64], limit: int | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """[B, longest] flat places (0 in padding) and the mask of the real ones."""
    lengths = offsets[rows + 1] - offsets[rows]
    if limit is not None:
        lengths = np.minimum(lengths, limit)
    steps = np.arange(lengths.max(initial=0))
    mask = steps < lengths[:, None]
    return np.where(mask, offsets[rows][:, None] + steps, 0), mask


def padded_in_front(
    offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """As `padded`, but the last values of all lists stand side by side, padding before them."""
    lengths = offsets[rows + 1] - offsets[rows]
    steps = np.arange(-lengths.max(initial=0), 0)
    mask = steps >= -lengths[:, None]
    return np.where(mask, offsets[rows + 1][:, None] + steps, 0), mask
