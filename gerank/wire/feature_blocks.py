"""Named columns as `FeatureBlock` messages.

Axes: R rows (1 for the user, M for candidates).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gerank.data.request import RequestError
from gerank.proto import rerank_pb2 as pb


def blocks_from_columns(
    side: str, columns: Mapping[str, ArrayLike], rows: int
) -> list[pb.FeatureBlock]:
    """Packs floats into one block and integers into another.

    Args:
        side: `user` or `candidates`, for messages.
        columns: Feature name -> [R] numbers.
        rows: R.

    Raises:
        RequestError: A column has another length, or holds no numbers that the wire knows.
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    for name, array in arrays.items():
        if array.shape != (rows,):
            raise RequestError(f"{side}.{name}", array.tolist(), f"must have {rows} values")
        if array.dtype.kind != "f" and not np.can_cast(array.dtype, np.int64):
            raise RequestError(f"{side}.{name}", array.tolist(), "must be 64-bit numbers")
    floats = [name for name, array in arrays.items() if array.dtype.kind == "f"]
    ints = [name for name, array in arrays.items() if array.dtype.kind != "f"]
    blocks = []
    if floats:
        packed = _side_by_side(arrays, floats, "<f4")
        blocks.append(pb.FeatureBlock(names=floats, float32_le=packed))
    if ints:
        packed = _side_by_side(arrays, ints, "<i8")
        blocks.append(pb.FeatureBlock(names=ints, int64_le=packed))
    return blocks


def _side_by_side(arrays: Mapping[str, NDArray[Any]], names: list[str], dtype: str) -> bytes:
    with np.errstate(over="ignore"):  # beyond float32 it becomes infinite, which the server tells
        columns = [arrays[name].astype(dtype) for name in names]
    return np.stack(columns, axis=1).tobytes()
