"""Flags `<name>_missing`: a column of them follows from which values are null.

`gerank.data.missing_values` does the same for one user or candidate.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.missing_flag import MissingFlag
from gerank.data.schema import FeatureKind
from gerank.scoring.errors import NotColumnarError
from gerank.scoring.feature_numbers import dense_numbers, encoded
from gerank.scoring.id_numbers import id_numbers


def flag_numbers(
    flag: MissingFlag, columns: Mapping[str, pa.Array], spread: Collection[str], rows: int
) -> NDArray[np.int64]:
    """The flag of every row: 1 where the value is null, unless the table tells it.

    Args:
        flag: The flag, and what it speaks of.
        columns: The columns that have any value, by name.
        spread: Features that a block under its own name tells.
        rows: E.

    Raises:
        NotColumnarError: The flag of a row contradicts the value, or columns of a block are given
            one by one.
    """
    missing = _missing(flag, columns, spread, rows)
    told = columns.get(flag.feature.name)
    if told is None:
        return missing.astype(np.int64)
    if told.null_count:
        raise NotColumnarError(f"{flag.feature.name} is there in some rows")
    numbers = id_numbers(flag.feature, told)
    left_out = (numbers == 0) & missing
    given = (numbers == 1) & ~missing & ~_is_default(flag, columns, rows)
    if left_out.any() or given.any():
        raise NotColumnarError(f"{flag.feature.name} contradicts a value")
    return numbers


def _missing(
    flag: MissingFlag, columns: Mapping[str, pa.Array], spread: Collection[str], rows: int
) -> NDArray[np.bool_]:
    own = [column.name for column in flag.columns if column.name in columns]
    if own not in ([], [flag.name]):
        raise NotColumnarError(f"{flag.name} is given column by column")
    if flag.name not in columns:
        return np.ones(rows, np.bool_)
    missing: NDArray[np.bool_] = columns[flag.name].is_null().to_numpy(zero_copy_only=False)
    return missing


def _is_default(flag: MissingFlag, columns: Mapping[str, pa.Array], rows: int) -> NDArray[np.bool_]:
    """Whether a feature is the default, in float32 as a log holds it; a block never is."""
    [feature, *more] = flag.columns
    if flag.name not in columns or more or feature.name != flag.name:
        return np.zeros(rows, np.bool_)
    if feature.default is None:
        return np.ones(rows, np.bool_)
    if feature.kind is FeatureKind.DENSE:
        numbers = dense_numbers(columns[flag.name], feature.default)
    else:
        numbers = encoded(feature, columns[flag.name]).astype(np.float32)
    same: NDArray[np.bool_] = numbers == np.float32(feature.default)
    return same
