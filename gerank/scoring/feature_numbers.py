"""The numbers of one column of features, with the default where a value is null."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.schema import Feature
from gerank.scoring.errors import NotColumnarError
from gerank.scoring.id_numbers import id_numbers


def dense_numbers(column: pa.Array, default: float | None) -> NDArray[np.float32]:
    """The numbers of a dense feature, infinite where they are beyond float32.

    Raises:
        NotColumnarError: The column holds no real numbers, or lacks one that has no default.
    """
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise NotColumnarError(f"{column.type} is no type of real numbers")
    if not pa.types.is_float32(column.type):
        column = column.cast(pa.float64(), safe=False)
    if column.null_count:
        if default is None:
            raise NotColumnarError("a value is missing")
        # A default is told in float64, and becomes float32 as a value does.
        column = column.cast(pa.float64()).fill_null(default)
    with np.errstate(over="ignore"):
        numbers: NDArray[np.float32] = column.to_numpy().astype(np.float32, copy=False)
    return numbers


def encoded(feature: Feature, column: pa.Array) -> NDArray[np.int64]:
    """The numbers of an id feature.

    Raises:
        NotColumnarError: A value does not fit, or one is missing that has no default.
    """
    if not column.null_count:
        return id_numbers(feature, column)
    if feature.default is None:
        raise NotColumnarError(f"{feature.name} is missing")
    numbers = np.full(len(column), feature.default, np.int64)
    there = column.is_valid().to_numpy(zero_copy_only=False)
    numbers[there] = id_numbers(feature, column.drop_null())
    return numbers
