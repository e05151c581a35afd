"""The table of `foreign_tables` with lists and vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from gerank.data.exposure_log import ExposureLog
from tests.data.foreign_tables import LONG, LONG_MAP, mapping, table

# of the rows of LONG: items x, y, y, x, ü on pages b, a, b, a, b
TAGS: list[Any] = [["new", "red"], ["red"], ["red"], ["new", "red"], None]
CODES: list[Any] = [[7, 8, 9], [], [], [7, 8, 9], [4, None, 5]]
READ: list[Any] = [["n1"], ["n2", "n3"], ["n1"], ["n2", "n3"], ["n1"]]
VECTOR = [[1.0, 2.0], [3.0, 4.0], [3.0, 4.0], [1.0, 2.0], [5.0, 6.0]]

FEATURES: dict[str, Any] = {
    "candidate.tags": {"kind": "ids", "longest": 3, "values": ["new", "red", "blue"]},
    "candidate.codes": {"kind": "ids", "longest": 2, "vocabulary": 16, "pool": "sum"},
    "candidate.vector": {"kind": "vector", "width": 2},
    "user.read": {"kind": "ids", "longest": 2, "vocabulary": 32},
}


def source(**changes: list[Any]) -> pa.Table:
    columns = {"tags": TAGS, "codes": CODES, "read": READ, "vector": VECTOR} | changes
    return table(LONG | columns)


def with_features(changes: dict[str, Any] | None = None, base: Any = LONG_MAP) -> dict[str, Any]:
    return mapping(mapping(base, FEATURES), changes or {})


def listed(log: ExposureLog, name: str, count: int) -> dict[str, list[int]]:
    """Item -> its columns."""
    columns = np.stack([log.candidate[f"{name}_{k}"] for k in range(count)], axis=1)
    return dict(zip(map(str, log.candidate_names), columns.tolist(), strict=True))
