"""Lists of a table, a list per row, as the columns of a block: a vector, or a list of ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.feature_block import Block, BlockKind
from gerank.data.schema import Feature
from gerank.scoring.errors import NotColumnarError
from gerank.scoring.feature_numbers import dense_numbers
from gerank.scoring.id_numbers import id_numbers


class BlockColumns:
    """Reads one block.

    Args:
        block: Its kind.
        features: [F] Those of its columns.
    """

    def __init__(self, block: Block, features: Sequence[Feature]) -> None:
        self._features = features
        self._is_vector = block.kind is BlockKind.VECTOR

    def read(self, lists: pa.Array) -> NDArray[Any]:
        """The numbers [rows, F] of all rows: float32 of a vector, int64 of a list of ids.

        Raises:
            NotColumnarError: The column holds no lists, or one of them does not fit.
        """
        kind = lists.type
        if pa.types.is_fixed_size_list(kind):
            lists = lists.cast(pa.list_(kind.value_type))
        elif not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
            raise NotColumnarError(f"{kind} is no type of lists")
        values = lists.flatten()
        if values.null_count:
            raise NotColumnarError("an entry is null")
        lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        return (
            self._vectors(lists, values, lengths) if self._is_vector else self._ids(values, lengths)
        )

    def _vectors(self, lists: pa.Array, values: pa.Array, lengths: NDArray[Any]) -> NDArray[Any]:
        width = len(self._features)
        there = lists.is_valid().to_numpy(zero_copy_only=False)
        if (lengths[there] != width).any():
            raise NotColumnarError("a vector is of another width")
        numbers = dense_numbers(values, None)
        if there.all():
            return numbers.reshape(len(lists), width)
        defaults = [feature.default for feature in self._features]
        if None in defaults:
            raise NotColumnarError("a vector is missing")
        filled = np.tile(np.array(defaults, np.float32), (len(lists), 1))
        filled[there] = numbers.reshape(-1, width)
        return filled

    def _ids(self, values: pa.Array, lengths: NDArray[Any]) -> NDArray[Any]:
        """The first entries of each list; the mark of no entry follows where it is shorter."""
        first = self._features[0]
        width, empty = len(self._features), first.default
        assert empty is not None
        rows = np.repeat(np.arange(len(lengths)), lengths)
        places = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        kept = places < width
        numbers = id_numbers(first, values.filter(pa.array(kept)))
        low, high = 0, (2**63 - 1 if first.hashed else first.vocabulary - 2)
        if ((numbers < low) | (numbers > high)).any():
            raise NotColumnarError("an entry of a list is out of its range")
        filled = np.full((len(lengths), width), empty, np.int64)
        filled[rows[kept], places[kept]] = numbers
        return filled
